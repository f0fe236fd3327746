"""Holds docs/troubles.md: every row has tests that exist, and every log line that it quotes is one of the program's."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "troubles.md").read_text(encoding="utf-8")

CAPTURE, MQTT, OUTBOX = "edge/capture/", "edge/mqtt/", "edge/mqtt/outbox/"

HELD_BY = {
    # Camera
    "Camera missing at the start": ["e2e/test_bad_input.py::test_missing_camera_is_named"],
    'No camera at all with `source.uri = "auto:"`, and a broker': [
        CAPTURE + "test_auto.py::test_with_a_broker_the_actor_never_plays"
    ],
    'No camera at all with `source.uri = "auto:"`, and no broker': [
        CAPTURE + "test_auto.py::test_actor_plays_while_there_is_no_camera_and_is_told_once",
        CAPTURE + "test_auto.py::test_actor_plays_at_its_own_pace_and_gives_way_to_a_camera",
    ],
    "No camera of the name in `v4l2:NAME`, or two": [
        CAPTURE + "cameras/test_names.py::test_unknown_name_is_refused_with_the_names_that_there_are",
        CAPTURE
        + "cameras/test_names.py::test_name_that_two_cameras_share_is_refused_with_the_names_that_tell_them_apart",
    ],
    "Camera unplugged, or the stream ends": [
        CAPTURE + "test_capture.py::test_end_of_a_live_stream_is_a_loss",
        CAPTURE + "test_reconnect.py::test_long_outage_logs_each_reason_once_and_the_recovery",
        "e2e/test_homeassistant.py::test_faces_are_unavailable_while_the_camera_is_lost",
    ],
    "Camera stalls: connected, no frame": [
        CAPTURE + "test_reconnect.py::test_open_source_stalls_after_stall_seconds_without_a_frame",
        CAPTURE + "test_stall.py::test_slow_camera_may_be_silent_for_three_of_its_intervals",
    ],
    "Camera hangs in its driver": [CAPTURE + "test_reconnect.py::test_number_of_hung_threads_is_limited"],
    "Camera comes and goes all night": [
        CAPTURE + "test_reconnect.py::test_lines_of_a_source_that_fails_repeatedly_are_limited"
    ],
    "Camera sends garbage": [CAPTURE + "test_reconnect.py::test_loss_ends_the_session_at_once_with_its_reason"],
    "Camera changes its picture size": [
        "edge/vision/test_pipeline.py::test_another_size_of_the_frame_starts_anew",
        CAPTURE + "backends/test_packets.py::test_frames_behind_a_change_of_size_are_whole",
    ],
    "Camera gives fewer frames than the configured times need": [
        "edge/daemon/test_slow_source.py::test_slow_source_is_logged_once",
        "edge/vision/test_frame_rates.py::test_who_is_there_for_three_frames_appears",
    ],
    "Light missing or not writable at the start": [
        "edge/system/test_led.py::test_led_that_is_not_there_is_named_with_those_that_are",
        CAPTURE + "test_lit_source.py::test_camera_stays_closed_where_the_light_cannot_be_switched_on",
    ],
    "Light switched off by something else": [
        CAPTURE + "test_lit_source.py::test_light_that_something_switches_off_is_on_again_within_a_second_of_frames",
        CAPTURE + "test_lit_source.py::test_camera_is_closed_where_the_light_goes_out_for_good",
        "edge/system/test_led.py::test_ensure_puts_right_what_something_else_has_switched",
    ],
    "Secret in the camera's address": [
        "edge/test_fuzz_addresses.py::test_no_secret_of_a_camera_is_shown",
        "e2e/test_requests_running.py::test_password_in_the_path_of_a_camera_is_neither_logged_nor_published",
    ],
    "Frames take longer than the budget": [
        "e2e/test_keeping_the_budget.py::test_budget_that_cannot_be_kept_lowers_the_level_and_is_logged_once"
    ],
    # Broker
    "Broker not there at the start": ["e2e/test_lifecycle.py::test_broker_that_starts_later_receives_every_event"],
    "Broker's name not known yet, after a power cut": [
        MQTT + "test_waiting_at_the_start.py::test_name_that_resolves_later_is_waited_for_and_no_event_is_lost"
    ],
    "Broker restarts, is killed, or the network is cut": [
        "e2e/test_faults.py::test_broker_restarts_lose_no_accepted_event",
        "e2e/test_faults.py::test_network_faults_lose_no_accepted_event",
        MQTT + "test_broker_away.py::test_persistent_session_receives_every_event_of_an_outage",
    ],
    "Broker away for hours": [
        MQTT + "test_broker_away.py::test_long_outage_is_logged_again_after_the_reminder_interval",
        MQTT + "test_broker_away.py::test_full_outbox_drops_the_oldest",
    ],
    "Connection that comes and goes": [MQTT + "test_broker_away.py::test_unstable_connection_is_logged_in_few_lines"],
    "Connection hangs without breaking": [
        MQTT + "test_hanging_broker.py::test_few_events_grow_old_unmarked_behind_a_suspended_broker",
        MQTT + "test_hanging_broker.py::test_few_events_grow_old_unmarked_in_a_network_that_stops",
        MQTT + "test_hanging_broker.py::test_broker_that_answers_nothing_is_given_up",
    ],
    "Two sensors with one id, on different machines": [
        MQTT + "test_limits.py::test_two_sensors_with_one_id_are_suspected"
    ],
    "Broker refuses user name or password": [
        MQTT + "test_sink_failures.py::test_refused_credentials_fail_the_start",
        "e2e/test_bad_input.py::test_refused_credentials_are_one_sentence",
    ],
    "Broker's certificate not yet valid": [
        MQTT + "test_waiting_at_the_start.py::test_certificate_of_the_broker_outside_its_time_is_waited_for"
    ],
    "Broker takes small packets only": [
        MQTT + "test_limits.py::test_health_that_is_too_long_is_not_sent_and_events_flow",
        MQTT + "test_limits.py::test_event_that_is_too_long_is_dropped_counted_and_nothing_waits_behind_it",
    ],
    "Broker without retained messages": [
        MQTT + "test_limits.py::test_broker_without_retain_works_and_status_is_repeated_with_health"
    ],
    "Broker refuses a topic": [MQTT + "test_limits.py::test_topic_that_may_not_be_written_holds_up_no_event"],
    "Broker answers with anything, or with what is not MQTT": [
        MQTT + "test_fuzz_broker.py::test_any_connack_opens_the_connection_or_is_one_sentence",
        MQTT + "test_connection.py::test_server_that_is_no_broker_is_named",
    ],
    "Second sensor with the same id on this machine": [
        "edge/daemon/test_single_instance.py::test_second_program_ends_and_the_first_goes_on"
    ],
    # Clock
    "Clock not set yet when an event happens": [
        OUTBOX + "test_clock_set.py::test_broker_receives_corrected_times_after_the_clock_was_set"
    ],
    "Power cut before the clock was set": [
        OUTBOX + "test_clock_set.py::test_event_from_before_a_power_cut_with_a_clock_that_was_never_set_says_so"
    ],
    "Clock leaps forward or back": [
        OUTBOX + "test_store.py::test_order_is_that_of_writing_whatever_the_clocks_show",
        OUTBOX + "test_store.py::test_age_clock_runs_only_while_the_sensor_does",
    ],
    "Time stamps of a video jump": [CAPTURE + "test_timeline.py::test_joined_recordings_go_on_by_one_step"],
    # Process and disk
    "Stopped with SIGTERM while events wait": [
        "e2e/test_lifecycle.py::test_unacknowledged_events_are_sent_by_the_next_start"
    ],
    "SIGKILL, crash or power cut": [
        "e2e/test_faults.py::test_killed_program_sends_its_outbox_after_the_next_start",
        "e2e/test_lifecycle.py::test_after_sigkill_the_broker_publishes_offline",
        MQTT + "test_previous_boots.py::test_boot_that_was_killed_is_accounted_for_exactly",
    ],
    "Pipeline or publisher hangs": [
        "e2e/test_service.py::test_process_that_hangs_starves_the_watchdog",
        "e2e/test_watchdog.py::test_hanging_publisher_starves_the_watchdog_and_an_absent_broker_does_not",
    ],
    "Disk is full": [
        OUTBOX + "test_disk_trouble.py::test_full_disk_costs_durability_and_nothing_else",
        OUTBOX + "test_disk_trouble.py::test_outbox_recovers_when_others_make_room",
    ],
    "Disk has become read-only": [
        OUTBOX + "test_disk_trouble.py::test_events_on_a_disk_that_has_become_read_only_are_still_sent"
    ],
    "Outbox damaged": [OUTBOX + "test_disk_trouble.py::test_damaged_file_is_renamed_and_logged"],
    "Outbox removed or replaced while events wait": [
        OUTBOX + "test_disk_trouble.py::test_file_that_is_lost_while_open_is_created_again",
        MQTT + "test_previous_boots.py::test_events_in_a_destroyed_outbox_are_logged_and_counted",
    ],
    "Port of the page is taken, by another instance or any program": [
        "edge/preview/test_server.py::test_server_that_may_wait_serves_the_page_once_the_port_is_free",
        "edge/preview/test_server.py::test_sensor_that_has_the_port_is_named",
        "e2e/test_preview.py::test_port_in_use_is_refused_in_one_sentence",
    ],
    "Two programs use one outbox": [
        OUTBOX + "test_disk_trouble.py::test_second_sensor_with_the_same_outbox_is_rejected"
    ],
    # Files
    "One bad picture among many": [
        "e2e/test_commands.py::test_classify_goes_on_after_bad_images_and_names_each",
        "e2e/test_commands.py::test_run_shows_the_good_images_of_a_folder_and_fails_at_its_end",
    ],
    "HEIC, AVIF, GIF and other formats that are not read": [
        CAPTURE + "pictures/test_decode.py::test_picture_that_is_not_supported_is_refused_with_its_name"
    ],
    "Picture cut off": [CAPTURE + "pictures/test_header.py::test_picture_that_is_cut_off_is_incomplete"],
    "Sound file with a cover": [CAPTURE + "backends/test_sound.py::test_mp3_with_a_cover_is_no_video"],
    "Video or picture turned, or with pixels that are not square": [
        CAPTURE + "test_geometry.py::test_picture_of_every_format_and_orientation_is_read_upright",
        CAPTURE + "backends/test_packets.py::test_turned_video_is_read_upright",
    ],
    "Configuration with a byte order mark": ["edge/config/test_loader.py::test_file_of_any_editor_is_read"],
    "Configuration in another encoding": ["edge/config/test_loader.py::test_other_encodings_are_named"],
    "A setting over MQTT that is no longer allowed or valid, or a damaged file of settings": [
        "e2e/test_settings_running.py::test_damaged_and_invalid_settings_do_not_keep_the_sensor_from_starting_and_home_assistant_sets_them",
        "edge/control/test_settings_file.py::test_damaged_file_is_an_error_of_one_sentence",
    ],
    "Configuration with a wrong key or value": [
        "edge/config/test_loader.py::test_error_names_origin_key_value_and_range",
        "e2e/test_reload_running.py::test_reload_applies_what_can_change_and_refuses_what_cannot_be_used",
    ],
    "Name of a source that cannot be a file": [
        "edge/test_fuzz_addresses.py::test_any_address_is_used_or_refused_in_one_sentence"
    ],
}
"""The tests that hold each row, below tests/."""

SECTIONS = ("Camera", "Broker", "Clock", "Process and disk", "Files")
COLUMNS = 4
VALUE = "\0"
"""Stands for a value that a sentence of the program is given."""


def rows() -> list[list[str]]:
    """Return the cells of every row but the headings."""
    lines = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| what happens")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def quotations() -> list[str]:
    """Return the sentences that the third column quotes: code with a space in it."""
    return [text for row in rows() for text in re.findall(r"`([^`]+)`", row[2]) if " " in text]


@cache
def sentences() -> list[str]:
    """Return every text of the program, with VALUE in the place of each value."""
    found = []
    for file in sorted((ROOT / "edge").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.JoinedStr():
                    parts = [part.value if isinstance(part, ast.Constant) else VALUE for part in node.values]
                    found.append("".join(map(str, parts)))
                case ast.Constant(value=str()):
                    found.append(node.value)
    return [re.sub(r"%[.\d]*[sdgf]|\{\w*\}", VALUE, text) for text in found]


def quotes(quotation: str, sentence: str) -> bool:
    """Return whether the parts between `...` appear in the sentence, in their order, and none of them holds a value."""
    at = 0
    for part in (piece.strip() for piece in quotation.split("...")):
        found = sentence.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return True


def test_page_has_a_section_for_everything_outside_the_sensor():
    assert re.findall(r"^## (.*)$", PAGE, re.MULTILINE) == list(SECTIONS)
    assert [len(row) for row in rows()] == [COLUMNS] * len(HELD_BY)


def test_each_row_is_held_and_nothing_else_is():
    assert [row[0] for row in rows()] == list(HELD_BY)


@pytest.mark.parametrize(("row", "tests"), HELD_BY.items(), ids=HELD_BY)
def test_tests_of_a_row_exist_and_assert(row, tests):
    assert tests
    for name in tests:
        file, _, function = name.partition("::")
        tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == function]
        assert len(functions) == 1, f"{row}: {name} does not exist"
        body = ast.unparse(functions[0])
        assert re.search(r"\bassert\b|pytest\.raises|\bwait|check|expect", body), f"{row}: {name} asserts nothing"


@pytest.mark.parametrize("quotation", quotations())
def test_quoted_line_is_one_of_the_programs(quotation):
    assert any(quotes(quotation, sentence) for sentence in sentences())


def test_line_that_the_program_does_not_have_is_found():
    assert not any(quotes("the source is back for ...", sentence) for sentence in sentences())
    assert not any(quotes("the source is back after 3 s", sentence) for sentence in sentences())
