// Renders the OpenAPI document, with a form to try each operation.
"use strict";

const METHODS = ["get", "post", "put", "delete"];

// An element with attributes and children; text is always text, never markup.
function make(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) element.setAttribute(key, value);
  element.append(...children.flat());
  return element;
}

// Paragraphs with `code` and **strong**, which is all that our descriptions use.
function prose(text) {
  return (text ?? "").split(/\n\n+/).filter(Boolean).map((paragraph) =>
    make("p", null, paragraph.split(/(`[^`]+`|\*\*[^*]+\*\*)/).map((part) => {
      if (part.startsWith("`")) return make("code", null, part.slice(1, -1));
      return part.startsWith("**") ? make("strong", null, part.slice(2, -2)) : part;
    })));
}

function resolve(document, schema) {
  return schema?.$ref ? schema.$ref.slice(2).split("/").reduce((node, key) => node[key], document) : schema ?? {};
}

function typeName(schema) {
  if (schema.$ref) return schema.$ref.split("/").at(-1);
  if (schema.anyOf) return schema.anyOf.filter((one) => one.type !== "null").map(typeName).join(" or ");
  if (schema.enum) return schema.enum.map((one) => JSON.stringify(one)).join(" | ");
  if (schema.type === "array") return `array of ${typeName(schema.items ?? {})}`;
  return schema.type ?? "any";
}

function table(caption, head, rows) {
  return make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption },
    make("table", { class: "rows" },
      make("thead", null, make("tr", null, head.map((text) => make("th", { scope: "col" }, text)))),
      make("tbody", null, rows.map((cells) => make("tr", null, cells.map((cell) => make("td", null, cell)))))));
}

// The fields of a model, and of the models that it is made of, each once.
function fields(document, schema, seen = new Set()) {
  const whole = resolve(document, schema);
  const name = whole.title ?? "";
  if (seen.has(name)) return [];
  seen.add(name);
  const properties = Object.entries(whole.properties ?? {});
  if (!properties.length) return [];
  const rows = properties.map(([field, described]) => [
    make("code", null, field), typeName(described), whole.required?.includes(field) ? "always" : "",
    prose(described.description ?? resolve(document, described).description),
  ]);
  const inner = properties.flatMap(([, described]) => [described, described.items, ...(described.anyOf ?? [])]).filter((one) => one?.$ref);
  return [table(name, [name || "Field", "Type", "", "Meaning"], rows), ...inner.flatMap((one) => fields(document, one, seen))];
}

function answers(document, operation) {
  const rows = Object.entries(operation.responses).map(([status, response]) => {
    const [media, content] = Object.entries(response.content ?? {})[0] ?? ["", {}];
    const codes = Object.keys(content.examples ?? {});
    const kind = codes.length
      ? codes.map((code, place) => [place ? ", " : "", make("a", { href: `/problems/${code}` }, code)])
      : [typeName(content.schema ?? {}), ` ${media}`];
    return [status, prose(response.description), kind.flat()];
  });
  const success = operation.responses[200]?.content?.["application/json"]?.schema;
  return [table("Answers", ["Status", "Meaning", "Body"], rows), ...fields(document, success)];
}

function form(document, path, method, operation) {
  const parameters = (operation.parameters ?? []).filter((one) => one.in !== "header");
  const inputs = parameters.map((parameter) => {
    const input = make("input", { name: parameter.name, placeholder: String(parameter.schema?.default ?? "") });
    if (parameter.required) input.required = true;
    const kind = parameter.style === "form" && parameter.schema?.type === "object" ? "name=value&name=value" : typeName(parameter.schema ?? {});
    return [parameter, input, make("label", null,
      make("span", null, make("code", null, parameter.name), ` ${kind}${parameter.required ? ", required" : ""}`),
      input, make("span", { class: "quiet" }, parameter.description ?? ""))];
  });
  const schema = operation.requestBody?.content["application/json"].schema;
  const body = schema && make("textarea", { "aria-label": "Body, JSON", spellcheck: "false" });
  if (body) body.value = JSON.stringify(resolve(document, schema).examples?.[0] ?? {}, null, 2);
  const shown = make("pre", { tabindex: 0, role: "status", hidden: "" });
  const whole = make("form", null, inputs.map(([, , label]) => label), body ?? [], make("button", null, "Send"), shown);
  whole.addEventListener("submit", async (event) => {
    event.preventDefault();
    shown.hidden = false;
    shown.textContent = "…";
    shown.textContent = await send(path, method, inputs, body);
  });
  return whole;
}

async function send(path, method, inputs, body) {
  const query = new URLSearchParams();
  for (const [parameter, input] of inputs) {
    if (parameter.in === "path") path = path.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
    else if (parameter.schema?.type === "object") new URLSearchParams(input.value).forEach((value, name) => query.append(name, value));
    else if (input.value) query.append(parameter.name, input.value);
  }
  const address = query.size ? `${path}?${query}` : path;
  try {
    const answer = await fetch(address, {
      method: method.toUpperCase(),
      ...(body && { headers: { "Content-Type": "application/json" }, body: body.value }),
    });
    const head = [...answer.headers].filter(([name]) => /^(chain-height|location|etag|retry-after)$/.test(name));
    const first = `${answer.status} ${answer.statusText}  ${method.toUpperCase()} ${address}\n`;
    const text = await answer.text();
    let pretty = text;
    try { pretty = JSON.stringify(JSON.parse(text), null, 2); } catch { /* not JSON: as it is */ }
    return first + head.map(([name, value]) => `${name}: ${value}\n`).join("") + "\n" + pretty;
  } catch (error) {
    return `No answer: ${error.message}`;
  }
}

function operation(document, path, method, described) {
  const streams = described.responses[200]?.content?.["text/event-stream"];
  const inside = make("div", { class: "inside" });
  const whole = make("details", { class: "operation", id: described.operationId },
    make("summary", null, make("span", { class: "method" }, method.toUpperCase()), " ",
      make("code", { class: "path" }, path), ` ${described.summary ?? ""}`),
    inside);
  // Filled when first opened: the whole document at once would be slow on a phone.
  whole.addEventListener("toggle", () => {
    if (inside.childElementCount) return;
    const schema = described.requestBody?.content["application/json"].schema;
    inside.append(...prose(described.description),
      ...(schema ? [make("h4", null, "Body"), ...fields(document, schema)] : []),
      make("h4", null, "Answers"), ...answers(document, described),
      ...(streams ? [make("pre", null, streams.example)] : [make("h4", null, "Try it"), form(document, path, method, described)]));
  });
  return whole;
}

async function main() {
  const root = window.document.getElementById("api");
  const openapi = await (await fetch("/openapi.json")).json();
  const all = Object.entries(openapi.paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) => [path, method, item[method]]));
  root.replaceChildren(
    make("div", { class: "about" }, prose(openapi.info.description), make("p", null, make("a", { href: "/openapi.json" }, "openapi.json"))),
    ...openapi.tags.map((tag) => make("section", null, make("h2", null, tag.name), make("p", { class: "quiet" }, tag.description),
      all.filter(([, , one]) => one.tags?.includes(tag.name)).map(([path, method, one]) => operation(openapi, path, method, one)))));
}

main();
