export { type Document, useReadyDocuments } from "./api";
export { Documents } from "./Documents";
export { SourcePanel, type Source } from "./SourcePanel";
