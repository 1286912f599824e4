"""`convsight show METHOD ...`, and `neighbours` and `map`, which are `show` for certain techniques."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from convsight.cli.console import bar, err, out, print_result, save_result
from convsight.cli.inputs import classifier, data_of, knobs, pictures, run_of
from convsight.cli.listing import describe
from convsight.errors import InputError
from convsight.method import Method
from convsight.methods import catalogue, find_method
from convsight.network.classifier import Classifier
from convsight.results.kinds import Map, Table
from convsight.results.provenance import Provenance, provenance_about
from convsight.results.result import Result


def show(given: argparse.Namespace, rest: list[str]) -> int:
    if given.method is None:
        from convsight.cli.looking_commands import show_help

        out.print(show_help(), markup=False)
        names = ", ".join(catalogue())
        out.print(f"\ntechniques: {names}", markup=False)
        if given.help:
            return 0
        raise InputError("show needs the name of a technique")
    method = find_method(given.method)
    if given.help:
        describe(method)
        return 0
    values, others = knobs(method, rest)
    made, needs = method(**values), method.needs()
    words = [*given.inputs, *others]
    model = net = None
    if "net" in needs and (needs["net"] or _is_model(words)):
        if not words:
            raise InputError(f"{method.name} needs a network: convsight show {method.name} MODEL ...")
        model = words.pop(0)
        net = classifier(model, given)
    arguments = _arguments(method, given, words, model, net)
    judge = _judge(made, net, arguments, given, model) if given.trust else None
    _run(made, {**({"net": net} if net is not None else {}), **arguments}, given, model, judge)
    return 0


def neighbours(given: argparse.Namespace, rest: list[str]) -> int:
    method = find_method("neighbours")
    net = classifier(given.model, given)
    if given.index:
        return _indexed(net, given, rest)
    data = data_of(given.data, given.model, net, given.fit)
    query = pictures([given.query], given.data, given.model, net, fit=given.fit)
    _run(_only_knobs(method, rest), {"net": net, "query": query, "data": data}, given, given.model)
    return 0


def _indexed(net: Classifier, given: argparse.Namespace, rest: list[str]) -> int:
    """`neighbours` in an index. It takes only the knob k and the filters split and class; the metric is the
    index's.
    """
    from convsight.features.index import nearest_stored, open_index

    values, others = knobs(find_method("neighbours"), rest)
    unknown = [name for name in values if name not in ("k", "split", "only")]
    if unknown or others:
        raise InputError(f"with --index there are --k, --split and --only; given {[*unknown, *others][0]!r}")
    columns = {"split": values.get("split", "all"), "class": values.get("only")}
    where = {column: value for column, value in columns.items() if value not in (None, "all")}
    query = pictures([given.query], given.data, given.model, net, fit=given.fit)
    result = nearest_stored(net, query, open_index(given.index), k=values.get("k", 10), where=where)
    _keep(result, given, "neighbours")
    return 0


def map(given: argparse.Namespace, rest: list[str]) -> int:
    method = find_method(given.method)
    net = classifier(given.model, given)
    arguments = {"net": net, "data": data_of(given.data, given.model, net, given.fit)}
    _run(_only_knobs(method, rest), arguments, given, given.model)
    return 0


def _only_knobs(method: type[Method], rest: list[str]) -> Method:
    values, others = knobs(method, rest)
    if others:
        raise InputError(f"nothing is known of {others[0]!r}; a knob is written --name value")
    return method(**values)


def _is_model(words: list[str]) -> bool:
    """Whether the first argument names a network, for techniques that do not need one."""
    return bool(words) and (":" in words[0] or Path(words[0]).is_dir() or Path(words[0]).suffix == ".pt2")


def _arguments(
    method: type[Method],
    given: argparse.Namespace,
    words: list[str],
    model: str | None,
    net: Classifier | None,
) -> dict[str, Any]:
    needs, found = method.needs(), {}
    how = {"fit": given.fit, "resize": method.resize}
    if "images" in needs:
        if words:
            found["images"] = pictures(words, given.data, model, net, **how)
        elif needs["images"]:
            raise InputError(f"{method.name} needs a picture: a file, or test:INDEX of a run's data set")
    elif words:
        raise InputError(f"{method.name} takes no picture; given {', '.join(words)}")
    if "data" in needs and (needs["data"] or given.data is not None or _has_data(model)):
        found["data"] = data_of(given.data, model, net, given.fit)
    for name in ("style", "query"):
        if name in needs:
            word = getattr(given, name)
            if word is None and needs[name]:
                raise InputError(f"{method.name} needs --{name} PICTURE")
            if word is not None:
                found[name] = pictures([word], given.data, model, net, **how)
    for name in ("target", "layer"):
        word = getattr(given, name)
        if word is not None and name not in needs:
            raise InputError(f"{method.name} has no --{name}; it takes {', '.join(needs)} and its knobs")
        if word is not None:
            found[name] = word
        elif needs.get(name):
            raise InputError(f"{method.name} needs --{name}")
    return found


def _judge(
    method: Method,
    net: Classifier | None,
    arguments: dict[str, Any],
    given: argparse.Namespace,
    model: str | None,
) -> Callable[[Result], Result]:
    """A function that judges how far a map can be trusted, to be called once the map is made."""
    if net is None or method.kind is not Map or "target" not in method.needs():
        raise InputError(
            f"--trust goes with a map of a class score, such as saliency; not with {method.name}"
        )
    data = data_of(given.data, model, net, given.fit) if given.data is not None or _has_data(model) else None

    def ask(result: Result) -> Result:
        from convsight.trust_checks import trust  # its statistics take a second to import

        named = result if result.provenance is not None and result.provenance.key else method
        return trust(of=named, net=net, data=data, **arguments)

    def judge(result: Result) -> Result:
        about = {"images": net.fit(arguments["images"]), "data": data}
        made = provenance_about(result, "trust", {"seed": 0}, about)
        return _stored_or_made(made, lambda: ask(result), given, model)

    return judge


def _has_data(model: str | None) -> bool:
    run = run_of(model)
    return run is not None and run.config["data"].get("source") is not None


def _run(
    method: Method,
    arguments: dict[str, Any],
    given: argparse.Namespace,
    model: str | None,
    judge: Callable[[Result], Result] | None = None,
) -> None:
    with bar(method.title, quiet=given.quiet):
        made = method.provenance(**arguments)
        result = _stored_or_made(made, lambda: method(**arguments), given, model)
    if judge is not None:
        with bar("How far to trust it", quiet=given.quiet):
            judged = judge(result)
        for words in (f"{judged.title}. {judged.caption}", *judged.notes):
            out.print(words, markup=False)
        result = dataclasses.replace(result, parts=(*result.parts, judged))
    _keep(result, given, method.name)


def _stored_or_made(
    made: Provenance, make: Callable[[], Result], given: argparse.Namespace, model: str | None
) -> Result:
    """The result from the run that MODEL is, where it or the studio or a report left it; else computed and left."""
    run = run_of(model)
    if run is None:
        return make()
    if given.fresh:
        run.results.drop(made.key)
    found = run.results.get(made.key)
    if found is None:
        found = make()
        run.results.keep(made.key, found)
    else:
        words = f"{made.method}: stored in {run.results.path / made.key}; --fresh computes it again"
        err.print(words, markup=False, soft_wrap=True)
    return found


def _keep(result: Result, given: argparse.Namespace, name: str) -> None:
    """Print the notes, and save the picture where `--out` says or under the technique's name."""
    _tell(result)
    if given.out:
        save_result(result, given.out)
    else:
        path = result.save(Path(f"{name}.png"))
        out.print(f"saved {path} (choose with -o FILE)", soft_wrap=True)


def _tell(result: Result) -> None:
    if result.caption:
        out.print(result.caption, markup=False)
    for note in result.notes:
        err.print(f"note: {note}", markup=False)
    for part in (result, *result.parts):
        if isinstance(part, Table) and len(part.rows) <= 40:
            print_result(part)
