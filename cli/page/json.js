// JSON whose numbers keep their spelling, as the API keeps it: a number that JavaScript cannot hold, such as 12345678901234567890, does not
// change because somebody edited what stands beside it. Browsers without `JSON.rawJSON` read such a number as JavaScript does.

const keepsSpelling = typeof JSON.rawJSON === "function";

/** Reads JSON. */
export function parse(text) {
  if (!keepsSpelling) return JSON.parse(text);
  return JSON.parse(text, (_key, value, { source } = {}) =>
    typeof value === "number" && source !== undefined && String(value) !== source ? JSON.rawJSON(source) : value);
}

/** Writes what `parse` read. */
export const write = (value, indent) => JSON.stringify(value, null, indent);

/** Whether two values that `parse` read are the same. The order of an object's members does not count. */
export const isSame = (one, other) => write(sorted(one)) === write(sorted(other));

function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object" || (keepsSpelling && JSON.isRawJSON(value))) return value;
  return Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)).map(([name, inner]) => [name, sorted(inner)]);
}
