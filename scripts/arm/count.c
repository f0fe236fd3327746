/* A plugin for qemu's user mode (plugin API 1): counts the instructions of the program that it runs.
 *
 * Each call of getppid(2), which nothing else in a measured program makes, writes "mark N" to standard
 * error, N being the instructions of all threads so far. N is exact for a program of one thread; with
 * several, two that count at the same moment may lose one block.
 *
 *   cc -shared -fPIC -O2 -o count.so count.c
 *   qemu-aarch64 -plugin ./count.so PROGRAM
 *
 * The few names below are declared here because Debian ships qemu without its plugin header.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
struct qemu_info;
enum { INLINE_ADD_U64 = 0 };
enum { AARCH64_GETPPID = 173 };

typedef void on_translation(plugin_id, struct qemu_plugin_tb *);
typedef void on_syscall(plugin_id, unsigned, int64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                        uint64_t, uint64_t, uint64_t);
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, on_translation *);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, int, void *, uint64_t);
void qemu_plugin_register_vcpu_syscall_cb(plugin_id, on_syscall *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);

#define EXPORT __attribute__((visibility("default")))

EXPORT int qemu_plugin_version = 1;

static uint64_t executed;

static void translated(plugin_id id, struct qemu_plugin_tb *block)
{
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_inline(block, INLINE_ADD_U64, &executed, qemu_plugin_tb_n_insns(block));
}

static void called(plugin_id id, unsigned cpu, int64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                   uint64_t e, uint64_t f, uint64_t g, uint64_t h)
{
    (void)id, (void)cpu, (void)a, (void)b, (void)c, (void)d, (void)e, (void)f, (void)g, (void)h;
    if (number == AARCH64_GETPPID)
        fprintf(stderr, "mark %llu\n", (unsigned long long)executed);
}

EXPORT int qemu_plugin_install(plugin_id id, const struct qemu_info *info, int argc, char **argv)
{
    (void)info, (void)argc, (void)argv;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, called);
    return 0;
}
