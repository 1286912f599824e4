"""What can a technique answer with? A closed set of kinds.

Result
├── Map        a number per pixel, n h w, signed or not
├── Pictures   pictures n c h w in rows
├── Points     a position per picture, n 2|3
├── Ranking    the k pictures nearest to each of n
├── Curve      named series of x and y
├── Table      columns and rows
├── Verdict    a claim about the network, with its evidence
└── Light      a question about one map, answered yes, no or can't tell

The command line, the report and the studio know these kinds and never a technique.
"""

from convsight.results.kinds.curve import Curve, Series
from convsight.results.kinds.light import Light
from convsight.results.kinds.map import Map
from convsight.results.kinds.pictures import Pictures
from convsight.results.kinds.points import Points
from convsight.results.kinds.ranking import Ranking
from convsight.results.kinds.table import Table
from convsight.results.kinds.verdict import Verdict

__all__ = ["Curve", "Light", "Map", "Pictures", "Points", "Ranking", "Series", "Table", "Verdict"]
