export { type Document, useReadyDocuments, useUnreadDocuments } from "./api";
export { Documents } from "./Documents";
export { SourcePanel, type Source } from "./SourcePanel";
