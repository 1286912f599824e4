"""What travels between the server and the page? One model for each answer; `convsight.studio.openapi` prints them all."""

from convsight.studio.schemas.base import Model, Number, Problem, SplitName, State
from convsight.studio.schemas.checked import FINDING_FIELDS, Check, Finding, Problems
from convsight.studio.schemas.jobs import Job, JobStarted
from convsight.studio.schemas.judging import Audit, AuditRequest, ExportRequest, Light, Trust, TrustRequest
from convsight.studio.schemas.layers import Cell, CellPart, ChannelInfo, ReceptiveBox, Sprites
from convsight.studio.schemas.objects import ClassTold, ObjectMask, ObjectPicture, Objects, ObjectTold
from convsight.studio.schemas.pictures import (
    Box,
    Edited,
    EditRequest,
    Paste,
    Picture,
    PicturePage,
    Score,
    Scores,
)
from convsight.studio.schemas.results import (
    Atlas,
    CurvePayload,
    Gaps,
    MapPayload,
    Neighbour,
    Payload,
    PicturesPayload,
    PointsPayload,
    RankingPayload,
    RankingRow,
    Result,
    ResultRequest,
    SeriesData,
    Started,
    TablePayload,
    VerdictPayload,
)
from convsight.studio.schemas.session import (
    Can,
    DatasetInfo,
    KnobInfo,
    LayerInfo,
    Limits,
    MethodInfo,
    ModelInfo,
    Session,
)
from convsight.studio.schemas.training import Comparison, Named, Recipes, RunInfo, TrainRequest, TrainStarted
from convsight.studio.schemas.whole_set import (
    Agreement,
    ClassAccuracy,
    Confusion,
    LabelScore,
    LabelScores,
    Neighbours,
)
