/** A piece of markup that may stand in a page as it is. */
export class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

type Part = Html | string | number | false | null | undefined | readonly Part[];

/** Markup from a template literal: whatever is put in is escaped unless it is `Html` itself; lists are joined. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return new Html(strings.map((text, i) => text + markup(parts[i])).join(""));
}

function markup(part: Part): string {
  if (part === null || part === undefined || part === false) return "";
  if (part instanceof Html) return part.text;
  if (Array.isArray(part)) return part.map(markup).join("");
  return String(part).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** A value as JSON that a script element can hold: no text in it can end the element or open a comment. */
export const scriptJson = (value: unknown): Html =>
  new Html(JSON.stringify(value).replaceAll("<", "\\u003c"));

/** JavaScript for a script element. In minified code `</script` stands only in strings and patterns, where `<\/` is the same. */
export const scriptCode = (code: string): Html =>
  new Html(code.replaceAll(/<\/(?=script)/gi, "<\\/").replace(/^\/\/# sourceMappingURL=.*$/m, ""));
