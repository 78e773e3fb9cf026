"""Charts as SVG text: numbers in, one `<svg>` out, colours by CSS variables; nothing of a run is known here."""
