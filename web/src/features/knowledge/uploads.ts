import { Problem, codeOf } from "@/kernel/api/problem";
import { bearer, renewed, whenLeft } from "@/kernel/auth";
import { newId } from "@/kernel/ids";
import { createStore } from "@/kernel/store";
import { refreshDocuments } from "./api";

export interface Upload {
  id: string;
  file: File;
  /** 0..1 of the bytes that left this browser. */
  progress: number;
  error: string | null;
}

interface Accepted {
  id: string;
  duplicate: boolean;
}

/** Files on their way up, and those that were refused; an accepted one leaves for the list of documents. */
export const uploads = createStore<readonly Upload[]>([]);

whenLeft(() => uploads.set([]));

const AT_ONCE = 3;
const waiting: Upload[] = [];
let running = 0;

function change(id: string, part: Partial<Upload>): void {
  uploads.set(uploads.get().map((one) => (one.id === id ? { ...one, ...part } : one)));
}

export function dismissUpload(id: string): void {
  uploads.set(uploads.get().filter((one) => one.id !== id));
}

export function retryUpload(upload: Upload, onDuplicate: (name: string) => void): void {
  dismissUpload(upload.id);
  addUploads([upload.file], onDuplicate);
}

export function addUploads(files: readonly File[], onDuplicate: (name: string) => void): void {
  const fresh = files.map((file) => ({ id: newId(), file, progress: 0, error: null }));
  uploads.set([...fresh, ...uploads.get()]);
  waiting.push(...fresh);
  while (running < AT_ONCE && waiting.length > 0) void lane(onDuplicate);
}

async function lane(onDuplicate: (name: string) => void): Promise<void> {
  running += 1;
  for (let next = waiting.shift(); next; next = waiting.shift()) await carry(next, onDuplicate);
  running -= 1;
}

async function carry({ id, file }: Upload, onDuplicate: (name: string) => void): Promise<void> {
  try {
    if (file.size === 0) throw new Problem(422, "file_empty", "");
    const accepted = await send(file, (progress) => change(id, { progress }));
    if (accepted.duplicate) onDuplicate(file.name);
    await refreshDocuments();
    dismissUpload(id);
  } catch (error) {
    change(id, { error: codeOf(error) });
  }
}

async function send(file: File, onProgress: (part: number) => void): Promise<Accepted> {
  const first = await attempt(file, await bearer(), onProgress);
  const answer = first.status === 401 ? await attempt(file, await renewed(), onProgress) : first;
  if (answer.status !== 202) throw Problem.parse(answer.status, answer.responseText);
  return JSON.parse(answer.responseText) as Accepted;
}

/** XMLHttpRequest, because fetch tells nobody how much has been sent. */
function attempt(file: File, token: string | null, onProgress: (part: number) => void): Promise<XMLHttpRequest> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", "/api/v1/documents/");
    if (token !== null) request.setRequestHeader("Authorization", `Bearer ${token}`);
    request.upload.onprogress = ({ loaded, total }) => onProgress(loaded / total);
    request.onload = () => resolve(request);
    request.onerror = () => reject(new Error("the upload broke off"));
    const form = new FormData();
    form.append("file", file);
    request.send(form);
  });
}
