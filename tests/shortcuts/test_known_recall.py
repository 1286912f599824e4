"""Does "nothing found" say what was found and missed where the answer was known?"""

from __future__ import annotations

from convsight.shortcuts.known_recall import known_recall, measured


def test_the_shipped_table_holds_counts_that_can_be() -> None:
    cells = [cell for row in measured()["kinds"].values() for cell in row.values()]
    assert len(cells) >= 12 and all(0 <= found <= tried and tried > 0 for found, tried in cells)
    alarmed, honest = measured()["alarms"]
    assert 0 <= alarmed <= honest and honest >= 15
    assert f"of {sum(tried for _, tried in cells)} small networks" in known_recall()


def test_what_was_missed_is_named_by_kind_and_strength() -> None:
    table = {"kinds": {"corner_tag": {"2": [1, 3]}, "snow": {"1": [0, 2], "3": [4, 4]}}, "alarms": [1, 9]}
    words = known_recall(table)
    assert "of 9 small networks" in words and "found 5" in words and "it blamed 1" in words
    assert "corner tag, plain 2 of 3; snow, weak 2 of 2" in words and "strong" not in words


def test_nothing_missed_says_so_by_silence() -> None:
    assert "missed" not in known_recall({"kinds": {"snow": {"3": [4, 4]}}, "alarms": [0, 9]})
