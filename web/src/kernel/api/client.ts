import createClient, { type Middleware } from "openapi-fetch";
import { bearer, renewed } from "@/kernel/auth";
import { reached, unreached } from "@/kernel/connection";
import { Problem } from "@/kernel/api/problem";
import { reauthenticate } from "@/kernel/reauthentication";
import type { paths } from "@/kernel/api/schema";

/** `fetch` as whoever is signed in; where the server wants it proved anew who that is, they are asked, and it goes on. */
export async function authorisedFetch(input: Request): Promise<Response> {
  const again = input.clone();
  const first = await bearerFetch(input);
  if (first.status !== 403 || !(await wantsProof(first))) return first;
  return (await reauthenticate()) ? bearerFetch(again) : first;
}

async function wantsProof(response: Response): Promise<boolean> {
  return (await Problem.from(response.clone())).code === "confirmation_needed";
}

/** `fetch` with the bearer token; renews it once on 401 and tells the connection watch how it went. */
async function bearerFetch(input: Request): Promise<Response> {
  const again = input.clone();
  const held = await bearer();
  const first = await send(input, held);
  if (first.status !== 401 || held === null) return first;
  const token = await renewed();
  return token === null ? first : send(again, token);
}

async function send(request: Request, token: string | null): Promise<Response> {
  if (token !== null) request.headers.set("Authorization", `Bearer ${token}`);
  try {
    const response = await fetch(request);
    if (response.status === 502 || response.status === 504) unreached();
    else reached();
    return response;
  } catch (error) {
    if (!request.signal.aborted) unreached();
    throw error;
  }
}

const problems: Middleware = {
  async onResponse({ response }) {
    if (!response.ok) throw await Problem.from(response);
  },
};

/** The typed client of our own OpenAPI document; every refusal arrives as a thrown `Problem`. */
export const api = createClient<paths>({ baseUrl: location.origin, fetch: authorisedFetch });
api.use(problems);

/** The body of a successful answer; the client has thrown already for any other. */
export async function body<T>(call: Promise<{ data?: T }>): Promise<T> {
  return (await call).data as T;
}
