export { Conversation } from "./Conversation";
export { NewChat } from "./NewChat";
export { SessionList } from "./SessionList";
