"""Is what the audit says a sentence, whatever the classes are called?"""

import torch

from convsight.shortcuts.probes import Region
from convsight.shortcuts.transplant import Effect
from convsight.shortcuts.words import claim


def test_a_sentence_about_a_class_in_small_letters_begins_with_a_capital():
    corner = torch.zeros(28, 28, dtype=torch.bool)
    corner[1:5, 1:5] = True
    effect = Effect(torch.tensor([True, True, False, False]), torch.zeros(4, dtype=torch.bool))
    proved = claim("key", Region(corner), effect, (0.9, 0.5), found=True)
    assert proved == (
        "Key leans on the top-left corner. Giving that corner of key pictures to pictures of other classes turns 50% of"
        " them into key (other classes' corners: 0%). Without it, key is recognised 50% of the time, with it 90%."
    )
    assert claim("key", Region(corner), effect, None, found=False).startswith(
        "Key and the top-left corner: not"
    )
