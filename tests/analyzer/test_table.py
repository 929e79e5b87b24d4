"""Tables and wrapped texts for a terminal."""

from analyzer.table import table, width, wrapped


def test_columns_are_as_wide_as_what_is_in_them():
    assert table([{"id": "a", "peak": 1.23456}, {"id": "longer", "peak": None}], ("id", "peak")) == (
        "ID      PEAK\n"
        "a       1.235\n"
        "longer  -"
    )  # fmt: skip


def test_korean_letters_take_two_cells():
    assert width("메모리 a") == 8
    lines = table([{"name": "메모리", "n": 1}, {"name": "cpu", "n": 2}], ("name", "n")).splitlines()
    assert [width(line[: line.rindex(" ")]) for line in lines] == [7, 7, 7]


def test_values_are_shown_as_people_say_them():
    assert table([{"a": True, "b": False, "c": "", "d": 0}], ("a", "b", "c", "d")).splitlines()[1] == "yes  no  -  0"


def test_what_would_move_the_cursor_is_left_out():
    assert table([{"a": "x\x1b[31m\ny\u202e"}], ("a",)).splitlines()[1] == "x[31my"


def test_underscores_of_columns_are_blanks():
    assert table([], ("duration_seconds",)) == "DURATION SECONDS"


def test_text_is_broken_between_words_and_indented():
    assert wrapped("one two three four", 12, "1. ", "   ") == ["1. one two", "   three", "   four"]


def test_a_word_longer_than_the_line_stands_alone():
    assert wrapped("a bbbbbbbbbbbb c", 6, "  ", "  ") == ["  a", "  bbbbbbbbbbbb", "  c"]


def test_korean_is_broken_by_cells():
    assert wrapped("가나 다라 마바", 9) == ["가나 다라", "마바"]
