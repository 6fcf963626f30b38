export { Documents as DocumentsScreen } from "@/features/knowledge/public";
