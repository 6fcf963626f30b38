interface Document {
  code?: string;
  detail?: string;
  [extra: string]: unknown;
}

/** A refusal of the server: RFC 9457 with our stable `code`. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    readonly extra: Readonly<Record<string, unknown>> = {},
  ) {
    super(`${status} ${code}: ${detail}`);
    this.name = "Problem";
  }

  /** Reads a problem document; a body that is none (a proxy's page) becomes `http_<status>`. */
  static async from(response: Response): Promise<Problem> {
    const text = await response.text().catch(() => "");
    return Problem.parse(response.status, text);
  }

  static parse(status: number, text: string): Problem {
    try {
      const { code, detail, ...extra } = JSON.parse(text) as Document;
      return new Problem(status, code ?? `http_${status}`, detail ?? "", extra);
    } catch {
      return new Problem(status, `http_${status}`, "");
    }
  }
}

/** The catalogue code of anything thrown: a problem's own, `network` when nothing answered. */
export function codeOf(error: unknown): string {
  return error instanceof Problem ? error.code : "network";
}
