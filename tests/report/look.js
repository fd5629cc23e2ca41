// Looks at a page in frames and tells what is wrong with it: runs beside the page, in the test's own document.

function luminance([r, g, b]) {
  const part = (c) => (c / 255 <= 0.03928 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
  return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
}

function rgba(text) {
  const parts = text.match(/[\d.]+/g).map(Number);
  return [parts[0], parts[1], parts[2], parts.length > 3 ? parts[3] : 1];
}

// WCAG 2.1, contrast ratio
function contrast(a, b) {
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
}

// what is painted behind an element's text
function background(view, element) {
  for (let e = element; e; e = e.parentElement) {
    const color = rgba(view.getComputedStyle(e).backgroundColor);
    if (color[3] > 0) return color;
  }
  return [255, 255, 255, 1];
}

function look(frame) {
  const view = frame.contentWindow, doc = frame.contentDocument;
  const width = Number(frame.width), problems = [];
  const brief = (e) => `<${e.tagName.toLowerCase()}> "${e.textContent.trim().slice(0, 40)}"`;
  const page = doc.documentElement;
  if (page.scrollWidth > page.clientWidth) problems.push(`the page is ${page.scrollWidth} wide in ${page.clientWidth}`);

  // nothing reaches out of the page, save what scrolls in a box of its own
  for (const e of doc.body.querySelectorAll("*")) {
    if (e.closest(".scrolls, pre")) continue;
    const box = e.getBoundingClientRect();
    if (box.right > width + 0.5 || box.left < -0.5) problems.push(`${brief(e)} reaches out of the page`);
  }
  for (const box of doc.querySelectorAll(".scrolls, pre")) {
    if (box.getBoundingClientRect().right > width + 0.5) problems.push(`${brief(box)} reaches out of the page`);
    if (box.scrollWidth > box.clientWidth && view.getComputedStyle(box).overflowX !== "auto")
      problems.push(`${brief(box)} is cut off`);
  }

  // drawings have a size; their texts are in them, large enough, and not on one another
  const drawings = [...doc.querySelectorAll("svg")];
  for (const svg of drawings) {
    const name = svg.getAttribute("aria-label"), whole = svg.getBoundingClientRect();
    if (whole.width < 200 || whole.height < 50) problems.push(`${name}: ${whole.width} x ${whole.height}`);
    const texts = [...svg.querySelectorAll("text")].map((e) => [e, e.getBoundingClientRect()]);
    texts.forEach(([e, box], n) => {
      if (box.height < 9) problems.push(`${name}: ${brief(e)} is ${box.height} high`);
      if (box.left < whole.left - 1 || box.right > whole.right + 1 || box.top < whole.top - 1 || box.bottom > whole.bottom + 1)
        problems.push(`${name}: ${brief(e)} is cut off`);
      for (const [other, at] of texts.slice(n + 1)) {
        const over = Math.min(box.right, at.right) - Math.max(box.left, at.left);
        const under = Math.min(box.bottom, at.bottom) - Math.max(box.top, at.top);
        // boxes of lines touch; letters do not
        if (over > 1 && under > box.height * 0.3) problems.push(`${name}: ${brief(e)} lies on ${brief(other)}`);
      }
    });
    for (const mark of svg.querySelectorAll("circle, rect, path")) {
      const box = mark.getBoundingClientRect();
      if (box.left < whole.left - 1 || box.right > whole.right + 1 || box.top < whole.top - 1 || box.bottom > whole.bottom + 1)
        problems.push(`${name}: a ${mark.tagName} reaches out of the drawing`);
      const style = view.getComputedStyle(mark);
      const paint = [style.fill, style.stroke].find((c) => c !== "none");
      if (!paint || contrast(rgba(paint), background(view, mark)) < 1.5)
        problems.push(`${name}: a ${mark.tagName} cannot be seen`);
    }
  }

  // every text stands out from what is behind it (WCAG AA)
  const walker = doc.createTreeWalker(doc.body, NodeFilter.SHOW_TEXT);
  let texts = 0;
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const e = node.parentElement;
    if (!node.data.trim() || e.tagName === "title") continue;
    texts += 1;
    const style = view.getComputedStyle(e);
    const color = rgba(e.tagName === "text" ? style.fill : style.color);
    const ratio = contrast(color, background(view, e));
    if (ratio < 4.5) problems.push(`${brief(e)} has a contrast of ${ratio.toFixed(2)}`);
  }
  return { width, drawings: drawings.length, texts, background: luminance(background(view, doc.body)), problems };
}

window.addEventListener("load", () => {
  const seen = [...document.querySelectorAll("iframe")].map(look);
  document.getElementById("seen").textContent = JSON.stringify(seen);
});
