// Making elements. Text goes in as text, and there is no way here to put in anything else.

/** Make an element with properties and children: elements, strings of ours, or lines of foreign text. */
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "class") made.className = value;
    else if (value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

/** Return foreign text as an element of its own, so that its letters reorder nothing beside them. */
export function foreign(line, properties = {}) {
  const made = element("bdi", { dir: "ltr", ...properties, class: `foreign ${properties.class ?? ""}`.trim() });
  for (const span of line.spans) {
    made.append(span.altered ? element("span", { class: "altered" }, span.text) : span.text);
  }
  return made;
}

export function byId(id) {
  return document.getElementById(id);
}

export function show(made, yes) {
  made.hidden = !yes;
}
