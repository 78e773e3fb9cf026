"""A report read back by an HTML parser: its text, its elements, what is not closed or would be fetched."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

VOID = {"meta", "link", "br", "hr", "img"}
FETCHING = {"src", "srcset", "data", "poster", "action", "formaction", "background", "ping", "manifest"}


@dataclass
class Parsed(HTMLParser):
    """What stands in a page. texts: pieces of text with the element that they stand in."""

    elements: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    texts: list[tuple[str, str]] = field(default_factory=list)
    unclosed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.unclosed.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.unclosed, f"</{tag}> closes nothing"
        assert self.unclosed.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        self.texts.append((self.unclosed[-1] if self.unclosed else "", data))

    @property
    def text(self) -> str:
        """All that is read, without styles, spaces as one."""
        return " ".join("".join(text for element, text in self.texts if element != "style").split())

    def of(self, name: str) -> list[dict[str, str | None]]:
        """The attributes of all elements of a name."""
        return [attributes for tag, attributes in self.elements if tag == name]

    def after(self, name: str) -> str:
        """The text within the first element of a name, up to its end."""
        place = next(k for k, (element, _) in enumerate(self.texts) if element == name)
        return " ".join("".join(text for _, text in self.texts[place:]).split())

    def fetched(self) -> list[str]:
        """Whatever a browser would ask somebody for."""
        found = [
            f"{tag} {name}={value}"
            for tag, attributes in self.elements
            for name, value in attributes.items()
            if name in FETCHING or name.startswith("on")
        ]
        links = [str(attributes.get("href")) for attributes in self.of("a") + self.of("link")]
        found += [link for link in links if not link.startswith("#") and link != "data:,"]
        styles = [text for element, text in self.texts if element == "style"]
        return found + [style for style in styles if "@import" in style or "url(" in style]


def parse(page: Path) -> Parsed:
    """The parsed page; an AssertionError if elements are not closed in order."""
    found = Parsed()
    found.feed(page.read_text(encoding="utf8"))
    found.close()
    assert found.unclosed == []
    ids = [attributes["id"] for _, attributes in found.elements if "id" in attributes]
    assert len(ids) == len(set(ids)), "an id stands twice"
    return found
