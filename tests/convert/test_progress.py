from convert.progress import ticker


def test_progress_is_printed_four_times_a_minute():
    now, printed = [0.0], []
    tick = ticker("robustness", printed.append, lambda: now[0])
    for done in range(61):
        now[0] = float(done)
        tick(done, 60)
    assert printed == [f"robustness: {done} of 60, about {(60 - done) / 60:.1f} minutes left" for done in (15, 30, 45)]
