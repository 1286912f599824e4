"""Do reports reach who listens, in order, and nobody else?"""

from __future__ import annotations

import pytest
import torch

from convsight.progress import Step, listening, report, report_count, span


def test_a_report_nobody_listens_to_does_nothing():
    assert report(0.5, "half", torch.zeros(1, 2, 2)) is None


def test_reports_reach_the_listener_with_an_own_copy_of_the_picture():
    heard: list[Step] = []
    picture = torch.zeros(1, 2, 2, requires_grad=True)
    with listening(heard.append):
        report(0.25, "a quarter", picture)
        with torch.no_grad():
            picture += 1
    report(1.0, "after the block")
    assert [(s.fraction, s.message) for s in heard] == [(0.25, "a quarter")]
    copy = heard[0].picture
    assert copy is not None
    assert copy.abs().sum() == 0
    assert not copy.requires_grad


def test_spans_nest_into_their_share_of_the_whole():
    heard: list[Step] = []
    with listening(heard.append):
        for i in range(2):
            with span(i / 2, (i + 1) / 2), span(0.5, 1.0):
                report(0.0, "start")
                report(1.0, "end")
    assert [s.fraction for s in heard] == [0.25, 0.5, 0.75, 1.0]


def test_what_is_counted_travels_as_numbers_and_spans_scale_its_share():
    heard: list[Step] = []
    with listening(heard.append), span(0.5, 1.0):
        report_count(1000, 2000, "pictures", "features", within=(0.0, 0.5))
        report_count(0, 0, "pairs")
    assert [(s.fraction, s.done, s.total, s.unit) for s in heard] == [
        (0.625, 1000, 2000, "pictures"),
        (0.5, 0, 0, "pairs"),
    ]
    assert [s.words for s in heard] == ["features: 1,000 of 2,000 pictures", ""]


def test_a_listener_that_raises_ends_the_work_and_stops_listening():
    def stop(step: Step) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), listening(stop):
        report(0.0, "start")
    report(0.0, "nobody listens any more")
