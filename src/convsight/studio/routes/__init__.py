"""The routes of the studio, one file a panel."""

from convsight.studio.routes import (
    checked,
    judging,
    layers,
    objects,
    pictures,
    results,
    session,
    share,
    training,
    whole_set,
)

ROUTERS = (
    session.router,
    pictures.router,
    results.router,
    layers.router,
    whole_set.router,
    training.router,
    judging.router,
    objects.router,
    checked.router,
    share.router,
)
