import { useTranslation } from "react-i18next";
import type { Document } from "./api";

/** What in a document is not as in its original: pages without text, hidden words that were left out. */
export function Notes({ document }: { document: Document }) {
  const { t } = useTranslation();
  if (document.notes.length === 0) return null;
  return (
    <ul aria-label={t("documents.notes", { name: document.title })} className="flex flex-wrap gap-x-3 text-sm text-ink-2">
      {document.notes.map((note) => (
        <li key={note.code}>{t(keyOf(note), { count: note.about.length, total: document.pages, where: note.about.join(", ") })}</li>
      ))}
    </ul>
  );
}

function keyOf({ code, about }: Document["notes"][number]) {
  const placed = code === "hidden_text_left_out" || code === "invisible_characters_left_out" || code === "attachment_not_read";
  return placed && about.length > 0 ? (`documents.note.${code}_where` as const) : (`documents.note.${code}` as const);
}
