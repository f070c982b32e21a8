// Marks what was searched for in the names that are shown, as the API compares it: without case, accents, vowel marks and tatweel. The marks
// are ranges over the text, so the document stays as it is. Browsers without them show none.

const NAME = "search";

const fold = (character) => character.normalize("NFKD").replace(/[\p{Mn}\u0640]/gu, "").toLowerCase();

/** Marks the words of `search` in these elements. */
export function highlight(search, elements) {
  if (!("highlights" in CSS)) return;
  CSS.highlights.delete(NAME);
  const words = search.split(/\s+/).map((word) => [...word].map(fold).join("")).filter((word) => word !== "");
  if (words.length > 0) CSS.highlights.set(NAME, new Highlight(...elements.flatMap((shown) => rangesIn(shown.firstChild, words))));
}

function rangesIn(node, words) {
  if (node?.nodeType !== Node.TEXT_NODE) return [];
  // For each unit of the folded text, where its character begins and ends in the text.
  let folded = "";
  const begins = [], ends = [];
  let at = 0;
  for (const character of node.data) {
    const plain = fold(character);
    folded += plain;
    for (let unit = 0; unit < plain.length; unit += 1) {
      begins.push(at);
      ends.push(at + character.length);
    }
    at += character.length;
  }
  const ranges = [];
  for (const word of words) {
    for (let found = folded.indexOf(word); found !== -1; found = folded.indexOf(word, found + word.length)) {
      const range = new Range();
      range.setStart(node, begins[found]);
      range.setEnd(node, ends[found + word.length - 1]);
      ranges.push(range);
    }
  }
  return ranges;
}
