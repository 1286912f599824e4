"""Is the built site whole? Every link inside it leads somewhere, and no page asks another host for anything.

python docs/check_site.py docs/_build/site       prints what is wrong; exit status 1 if anything is
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# What a browser fetches by itself, in contrast to what a reader may click.
FETCHED = {
    ("script", "src"), ("img", "src"), ("source", "src"), ("iframe", "src"), ("link", "href"), ("video", "src"),
}  # fmt: skip
GENERATED = ("genindex.html", "search.html", "py-modindex.html", "try.html")


class Page(HTMLParser):
    """The ids, the links and the fetched addresses of one page."""

    def __init__(self, text: str):
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.ids.add(value)
            elif tag == "a" and name == "href" and value:
                self.links.append(value)
            elif (tag, name) in FETCHED and value:
                self.fetched.append(value)


def faults(site: Path) -> list[str]:
    """One line for each dead link, missing anchor and foreign request in the HTML files under `site`."""
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    found = []
    for path, page in pages.items():
        name = path.relative_to(site)
        for address in page.fetched:
            if urlsplit(address).netloc:
                found.append(f"{name} fetches {address} from another host")
            elif not urlsplit(address).scheme and not _target(path, address, site).exists():
                found.append(f"{name} fetches {address}, which is not there")
        found += [f"{name}: {why}" for link in page.links if (why := _dead(path, link, site, pages))]
    return found


def _dead(path: Path, link: str, site: Path, pages: dict[Path, Page]) -> str:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return ""
    target = _target(path, link, site)
    if not target.exists():
        return f"the link {link} leads nowhere"
    known = pages.get(target)
    if parts.fragment and known and target.name not in GENERATED and unquote(parts.fragment) not in known.ids:
        return f"the link {link} names an anchor that is not there"
    return ""


def _target(path: Path, address: str, site: Path) -> Path:
    wanted = unquote(urlsplit(address).path)
    if not wanted:
        return path
    target = (site / wanted.lstrip("/")) if wanted.startswith("/") else (path.parent / wanted)
    return (target / "index.html" if wanted.endswith("/") else target).resolve()


def main(site: Path) -> int:
    if not (site / "index.html").is_file():
        print(f"no site at {site}; make docs builds it")
        return 1
    found = faults(site.resolve())
    print("\n".join(found) or f"{len(list(site.rglob('*.html')))} pages, every link inside leads somewhere")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "_build" / "site"))
