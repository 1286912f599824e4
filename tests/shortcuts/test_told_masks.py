"""Is what the user shows kept where `masks=` finds it, for the right picture only, and are pieces what they promise?"""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from tests.shortcuts.known_scenes import CLASSES, OBJECTS, discs, looking, scenes

from convsight.datasets import Dataset
from convsight.datasets.base import Split
from convsight.datasets.pixels import MemoryStore
from convsight.errors import DataNotFound, StorageError
from convsight.picture import to_uint8, write_picture
from convsight.shortcuts.cutouts import key
from convsight.shortcuts.drawn_masks import drawn_masks, mask_files
from convsight.shortcuts.find import find_shortcuts
from convsight.shortcuts.objects import object_mask
from convsight.shortcuts.pieces import pieces
from convsight.shortcuts.sample import draw_sample, halves_of_classes
from convsight.shortcuts.told_masks import forget, masks_of_run, tell, told

LEFT = torch.zeros(32, 32, dtype=torch.bool)
LEFT[:, :11] = True


@pytest.mark.parametrize("name", ["7", "test/7", "cat/7.jpg", "/photos/cat/7.jpg", "../cat/v1.7", "cat/7#2"])
def test_what_is_told_of_a_picture_is_read_again(tmp_path, name):
    file = tell(tmp_path / "masks", name, LEFT)
    assert file.resolve().is_relative_to(tmp_path / "masks")
    assert torch.equal(told(tmp_path / "masks", name, (32, 32)), LEFT)
    tell(tmp_path / "masks", name, ~LEFT)
    assert torch.equal(told(tmp_path / "masks", name, (32, 32)), ~LEFT)
    forget(tmp_path / "masks", name)
    assert told(tmp_path / "masks", name, (32, 32)) is None and not file.exists()


def test_pictures_that_differ_in_their_suffix_have_masks_of_their_own(tmp_path):
    tell(tmp_path, "cat/7.jpg", LEFT)
    tell(tmp_path, "cat/7.png", ~LEFT)
    assert torch.equal(told(tmp_path, "cat/7.jpg", (32, 32)), LEFT)
    assert torch.equal(told(tmp_path, "cat/7.png", (32, 32)), ~LEFT)


def test_a_mask_of_the_users_own_gives_way_to_what_is_told(tmp_path):
    (tmp_path / "cat").mkdir()
    write_picture(tmp_path / "cat" / "7.png", to_uint8(LEFT[None, None].float())[0])
    assert torch.equal(told(tmp_path, "cat/7.jpg", (32, 32)), LEFT)
    tell(tmp_path, "cat/7.jpg", ~LEFT)
    assert torch.equal(told(tmp_path, "cat/7.jpg", (32, 32)), ~LEFT)


def test_the_audits_masks_are_those_that_were_told(tmp_path):
    sample = draw_sample(looking(), scenes().test)
    tell(tmp_path, sample.confirm.ids[3], LEFT)
    read = drawn_masks(tmp_path, sample)
    assert list(read) == [key(sample.confirm.pixels[3])]
    assert torch.equal(read[key(sample.confirm.pixels[3])], LEFT)


def test_a_mask_goes_to_no_picture_that_only_shares_its_name(tmp_path):
    """Two splits have a picture 7: what is told of one says nothing of the other."""
    tell(tmp_path, "test/7", LEFT)
    there, elsewhere = mask_files(tmp_path, ["test/7", "train/7"])
    assert there is not None and elsewhere is None


def test_masks_in_a_flat_folder_go_by_their_names(tmp_path):
    data = scenes()
    sample = draw_sample(looking(), data.test)
    write_picture(tmp_path / f"{sample.explore.ids[0]}.png", to_uint8(LEFT[None, None].float())[0])
    moved = tmp_path / "deeper"
    moved.mkdir()
    (tmp_path / f"{sample.explore.ids[0]}.png").rename(moved / f"{sample.explore.ids[0]}.png")
    assert list(drawn_masks(tmp_path, sample)) == [key(sample.explore.pixels[0])]


def test_a_folder_that_cannot_be_written_to_is_said(tmp_path):
    (tmp_path / "masks").write_text("a file, where a folder should be")
    with pytest.raises(StorageError, match="masks"):
        tell(tmp_path / "masks", "7", LEFT)


def test_a_run_whose_objects_nobody_showed_says_what_works(tmp_path):
    with pytest.raises(DataNotFound, match=r"the audit panel of `convsight studio"):
        masks_of_run(tmp_path)
    tell(tmp_path / "masks", "7", LEFT)
    assert masks_of_run(tmp_path) == tmp_path / "masks"


def test_a_verdict_says_how_many_objects_the_user_showed(tmp_path):
    data, net = scenes(), looking(weight=60.0)
    sample = draw_sample(net, data.test)
    for name in sample.explore.ids[:5]:
        tell(tmp_path, name, LEFT)
    verdicts = find_shortcuts(net, data, only="surroundings", masks=tmp_path)
    assert any("You showed where 5 of 144 objects are." in each.caption for each in verdicts)
    plain = find_shortcuts(net, data, only="surroundings")
    assert not any("You showed" in each.caption for each in plain)


def test_the_pictures_to_show_are_those_that_an_audit_takes():
    data, net = scenes(), looking()
    drawn = halves_of_classes(net, data.test)
    sample = draw_sample(net, data.test)
    for half, taken in enumerate(sample.halves):
        places = torch.cat([both[half] for both in drawn.values()]).sort().values
        assert taken.ids == tuple(data.test.ids[i] for i in places.tolist())


def test_objects_that_cannot_be_found_are_audited_where_they_are_shown(tmp_path):
    """Discs in the corner: none reaches the middle third, so nothing is cut out. Twelve shown of each class are enough to
    find what the network leans on, and to say how much: it is measured on the true objects and grounds."""
    labels = torch.arange(144) % 3
    pixels, masks = in_the_corner(labels, labels)
    split = Split(MemoryStore(to_uint8(pixels)), labels, CLASSES)
    data, net = Dataset("corners", CLASSES, split, split, split), looking(weight=130.0)
    assert not object_mask(pixels).any()
    (alone,) = find_shortcuts(net, data, only="surroundings")
    assert not alone.found and "surroundings on the 0 whose object" in alone.caption
    for halves in halves_of_classes(net, split).values():
        for i in torch.cat([half[:6] for half in halves]).tolist():
            tell(tmp_path, split.ids[i], masks[i])
    verdict = find_shortcuts(net, data, only="surroundings", masks=tmp_path)[0]
    assert verdict.found and verdict.target == "ball"
    assert "You showed where 36 of 144 objects are." in verdict.caption
    others = labels != 0
    true = (net.predict(in_the_corner(labels, torch.zeros_like(labels), 5)[0])[others] == 0).float().mean()
    assert abs(verdict.flip_rate - float(true)) < 0.1


def in_the_corner(
    labels: torch.Tensor, kinds: torch.Tensor, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures as `discs` draws them, with small discs near the upper left corner, and the discs' masks."""
    generator, n = torch.Generator().manual_seed(seed), len(labels)
    y, x = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")
    middle = 6 + torch.rand(n, 2, 1, 1, generator=generator)
    masks = (y - middle[:, 0]).square() + (x - middle[:, 1]).square() < 4.5**2
    tone = 0.2 + 0.3 * torch.rand(n, 3, 1, 1, generator=generator) * torch.tensor([0.5, 1, 1])[:, None, None]
    phase = 6 * torch.rand(n, 1, 1, generator=generator)
    across, along = (0.12 * torch.sin((at + phase) * torch.pi / 3) for at in (y, x))
    stripes = torch.stack([across, along, torch.zeros_like(across)], 1)[torch.arange(n), kinds]
    grounds = tone + stripes[:, None] + 0.02 * torch.randn(n, 3, 32, 32, generator=generator)
    colours = (OBJECTS[labels] + 0.3 * torch.rand(n, 3, generator=generator) - 0.15)[:, :, None, None]
    return torch.where(masks[:, None], colours, grounds).clamp(0, 1), masks


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 99), side=st.sampled_from([(16, 16), (32, 24), (200, 150)]), count=st.integers(2, 8)
)
def test_every_piece_is_on_one_side_of_the_mask(seed, side, count):
    generator = torch.Generator().manual_seed(seed)
    picture = torch.nn.functional.interpolate(torch.rand(1, 3, 5, 5, generator=generator), side)[0]
    mask = torch.nn.functional.interpolate(torch.rand(1, 1, 4, 4, generator=generator), side)[0, 0] > 0.6
    cut = pieces(picture, mask, count)
    assert cut.shape == mask.shape and int(cut.min()) == 0
    for piece in cut.unique():
        assert len(mask[cut == piece].unique()) == 1


def test_pieces_are_connected_and_follow_colours():
    """Two colours left and right: no piece has both, and a piece is one part."""
    picture = torch.zeros(3, 32, 32)
    picture[0, :, :13] = 0.9
    picture[2, :, 13:] = 0.9
    cut = pieces(picture, torch.zeros(32, 32, dtype=torch.bool), 4)
    assert set(cut[:, :13].unique().tolist()).isdisjoint(cut[:, 13:].unique().tolist())
    for piece in cut.unique():
        assert ndimage.label((cut == piece).numpy())[1] == 1


def test_a_disc_is_one_click_away_from_its_ground():
    """Adding up the pieces that lie mostly in the true object comes nearer to it than any square grid as fine."""
    pixels, masks = discs(torch.arange(6) % 3, torch.arange(6) % 3, torch.arange(6) % 3)
    empty = torch.zeros(32, 32, dtype=torch.bool)
    for picture, mask in zip(pixels, masks, strict=True):
        cut = pieces(picture, empty).long()
        share = torch.zeros(256).scatter_add(0, cut.flatten(), mask.flatten().float()) / torch.bincount(
            cut.flatten(), minlength=256
        ).clamp(min=1)
        clicked = (share > 0.5)[cut]
        assert float((clicked & mask).sum() / (clicked | mask).sum()) > 0.85
