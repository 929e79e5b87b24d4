"""A progress bar: on a terminal only, after a while only, and gone at the end."""

import io

from analyzer.progress import Bar


class Terminal(io.StringIO):
    """A terminal that remembers everything."""

    def isatty(self):
        return True


def drawn(out, *steps):
    """Draw (seconds, phase, share) steps; what is on the terminal then, line by line as it was drawn over."""
    now = [0.0]
    with Bar(out, lambda: now[0]) as bar:
        for seconds, phase, share in steps:
            now[0] = seconds
            bar.show(phase, share)
    return out.getvalue().split("\r")


def test_a_short_piece_of_work_shows_nothing():
    assert drawn(Terminal(), (0.5, "reading", 0.5), (1.9, "reading", 1.0)) == [""]


def test_a_longer_one_shows_how_far_it_is_and_how_long_it_will_take():
    lines = drawn(Terminal(), (0, "reading", 0.0), (10, "reading", 0.25), (40, "reading", 1.0))
    assert [line.rstrip() for line in lines] == [
        "", "  reading [#######.....................]  25%  0:30", "  reading [############################] 100%", "", "",
    ]  # fmt: skip


def test_every_phase_has_its_own_time():
    lines = drawn(Terminal(), (0, "학습", 1.0), (30, "판단", 0.0), (40, "판단", 0.5))
    assert lines[-3].endswith(" 50%  0:10")


def test_a_file_gets_nothing():
    out = io.StringIO()
    drawn(out, (10, "reading", 0.5))
    assert out.getvalue() == ""
