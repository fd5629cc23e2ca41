"""Turns a screen of tmux (capture-pane -e) into a page: what scripts/demonstrate takes pictures of.

It knows what the workbench uses: bold, dim, reverse, and the 16 colours as foreground or background.
"""

import html
import re
import sys

COLOURS = [
    "#1e1e1e", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#d4d4d4",
    "#7f848e", "#ff7b86", "#b5e08c", "#ffd68a", "#7cc4ff", "#dd8cf0", "#6fd3df", "#ffffff",
]
BACKGROUND, FOREGROUND = COLOURS[0], COLOURS[7]


class Style:
    def __init__(self):
        self.reset()

    def reset(self):
        self.bold = self.dim = self.reverse = False
        self.front = self.back = None

    def take(self, codes):
        codes = [int(code or 0) for code in codes]
        while codes:
            code = codes.pop(0)
            if code == 0:
                self.reset()
            elif code == 1:
                self.bold = True
            elif code == 2:
                self.dim = True
            elif code == 7:
                self.reverse = True
            elif code == 22:
                self.bold = self.dim = False
            elif code == 27:
                self.reverse = False
            elif code in (38, 48) and codes[:1] == [5]:
                colour = COLOURS[codes[1] % 16]
                codes = codes[2:]
                if code == 38:
                    self.front = colour
                else:
                    self.back = colour
            elif 30 <= code <= 37 or 90 <= code <= 97:
                self.front = COLOURS[code - 30 if code < 90 else code - 82]
            elif 40 <= code <= 47 or 100 <= code <= 107:
                self.back = COLOURS[code - 40 if code < 100 else code - 92]
            elif code == 39:
                self.front = None
            elif code == 49:
                self.back = None

    def css(self):
        front, back = self.front or FOREGROUND, self.back or BACKGROUND
        if self.reverse:
            front, back = back, front
        rules = [f"color:{front}"]
        if back != BACKGROUND:
            rules.append(f"background:{back}")
        if self.bold:
            rules.append("font-weight:bold")
        if self.dim:
            rules.append("opacity:.6")
        return ";".join(rules)


style = Style()
print(
    f"<!doctype html><meta charset=utf-8><body style='margin:8px;background:{BACKGROUND}'>"
    # a line is as high as a glyph, so that the lines of boxes join: 9 x 16 pixels a cell
    "<pre style=\"margin:0;font:14.95px/16px 'DejaVu Sans Mono',monospace\">",
    end="",
)
for part in re.split(r"(\x1b\[[0-9;]*m)", sys.stdin.read()):
    if part.startswith("\x1b"):
        style.take(part[2:-1].split(";"))
    elif part:
        print(f"<span style='{style.css()}'>{html.escape(part)}</span>", end="")
print("</pre>")
