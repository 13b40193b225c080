({
  // Texts that are too faint: WCAG 2.2, 1.4.3 at level AA, each over the backgrounds that
  // really lie behind it. What is only for the eye has a word beside it.
  faint() {
    const parse = (text) => {
      const [r, g, b, a = 1] = text.match(/[\d.]+/g).map(Number);
      return { r, g, b, a };
    };
    const over = (top, low) => {
      const mix = (key) => top[key] * top.a + low[key] * (1 - top.a);
      return { r: mix("r"), g: mix("g"), b: mix("b"), a: 1 };
    };
    const light = ({ r, g, b }) => {
      const [x, y, z] = [r, g, b].map((c) => c / 255).map(
        (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
      return 0.2126 * x + 0.7152 * y + 0.0722 * z;
    };
    const behind = (element) => {
      const layers = [];
      for (let at = element; at; at = at.parentElement) {
        const colour = parse(getComputedStyle(at).backgroundColor);
        layers.push(colour);
        if (colour.a === 1) break;
      }
      const canvas = matchMedia("(prefers-color-scheme: dark)").matches ? 18 : 255;
      return layers.reverse().reduce(
        (low, top) => over(top, low), { r: canvas, g: canvas, b: canvas, a: 1 });
    };
    const ratio = (one, other) => {
      const [high, low] = [light(one), light(other)].sort((a, b) => b - a);
      return (high + 0.05) / (low + 0.05);
    };
    const faint = [];
    const judge = (element, style, text) => {
      const svg = element instanceof SVGElement;
      const back = behind(svg ? element.closest("div") : element);
      const colour = over(parse(svg ? style.fill : style.color), back);
      const size = parseFloat(style.fontSize), bold = Number(style.fontWeight) >= 700;
      const least = size >= 24 || (bold && size >= 18.66) ? 3 : 4.5;
      const found = ratio(colour, back);
      if (found < least) faint.push(`${text.trim().slice(0, 40)}: ${found.toFixed(2)}`);
    };
    let seen = 0;
    for (const element of document.querySelectorAll("body *")) {
      const own = [...element.childNodes].filter((node) => node.nodeType === 3);
      const text = own.map((node) => node.textContent).join("");
      const style = getComputedStyle(element);
      if (element.closest("[aria-hidden]") || !element.getClientRects().length) continue;
      if (element.localName === "title" || style.visibility === "hidden") continue;
      if (text.trim()) { seen += 1; judge(element, style, text); }
      if (element.placeholder) {
        judge(element, getComputedStyle(element, "::placeholder"), element.placeholder);
      }
      const label = getComputedStyle(element, "::before").content;
      if (/[a-z]/i.test(label) && label.startsWith('"')) {
        judge(element, getComputedStyle(element, "::before"), label);
      }
    }
    return { seen, faint };
  },

  // All that can be acted on, in the order in which Tab must come to it.
  actions() {
    return [...document.querySelectorAll("a[href], button, input, select, summary, pre")]
      .filter((each) => each.type !== "hidden" && each.getClientRects().length);
  },

  // Their names.
  names() {
    return this.actions().map((each) => each.textContent.trim() || each.name);
  },

  // Which of them has the keyboard, and whether one sees that it has.
  async focused() {
    const each = document.activeElement, style = getComputedStyle(each);
    const inside = () => {
      const box = each.getBoundingClientRect();
      return box.left >= 0 && box.right <= innerWidth && box.top >= 0 && box.bottom <= innerHeight;
    };
    const shown = () => style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
    // It is scrolled to, and marked, in one of the next frames.
    for (let frame = 0; frame < 60 && !(inside() && shown()); frame += 1) {
      await new Promise((done) => requestAnimationFrame(done));
    }
    return {
      at: this.actions().indexOf(each),
      shown: shown(),
      inside: inside(),
    };
  },

  // Pixels by which the page is wider than its window.
  wider() {
    return document.documentElement.scrollWidth - document.documentElement.clientWidth;
  },
})
