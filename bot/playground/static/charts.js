// Slack's own charts -> SVG, in the colours of the theme; bars, areas and pies are drawn as lines, too: only their figures matter.
const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [480, 210, 46, 12, 10, 40];

function drawn(tag, attributes, text) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

export function chart(block) {
  const { series, axis_config: axes } = block.chart;
  const values = series.flatMap((one) => one.data.map((point) => point.value));
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = (high - low) * 0.1 || Math.abs(high) * 0.05 || 1;
  const x = (place) => LEFT + (WIDTH - LEFT - RIGHT) * (axes.categories.length > 1 ? place / (axes.categories.length - 1) : 0.5);
  const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - (value - low + room) / (high - low + 2 * room));
  const svg = drawn("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": block.title });
  for (const value of [low, (low + high) / 2, high]) {
    svg.append(drawn("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value), class: "grid" }));
    svg.append(drawn("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, Number(value.toPrecision(3)).toLocaleString()));
  }
  const step = Math.ceil(axes.categories.length / 6);
  axes.categories.forEach((category, place) => {
    if (place % step === 0) svg.append(drawn("text", { x: x(place), y: HEIGHT - BOTTOM + 16, "text-anchor": "middle" }, category));
  });
  series.forEach((one, number) => {
    const points = one.data.map((point, place) => `${x(place)},${y(point.value)}`).join(" ");
    svg.append(drawn("polyline", { points, class: `series series-${number % 6}` }));
    svg.append(drawn("rect", { x: LEFT + number * 150, y: HEIGHT - 12, width: 10, height: 3, class: `key series-${number % 6}` }));
    svg.append(drawn("text", { x: LEFT + 14 + number * 150, y: HEIGHT - 6 }, one.name));
  });
  const figure = document.createElement("figure");
  figure.className = "chart";
  const caption = document.createElement("figcaption");
  caption.textContent = [block.title, axes.y_label].filter(Boolean).join(" · ");
  figure.append(caption, svg);
  return figure;
}
