import { useNavigate, useParams } from "@tanstack/react-router";
import { Conversation, NewChat } from "@/features/chat/public";

export function NewChatScreen() {
  const navigate = useNavigate();
  return <NewChat onOpen={(id) => void navigate({ to: "/chat/$id", params: { id } })} onUpload={() => void navigate({ to: "/documents" })} />;
}

export function ChatScreen() {
  const navigate = useNavigate();
  const { id } = useParams({ from: "/chat/$id" });
  return <Conversation key={id} id={id} onNew={() => void navigate({ to: "/" })} onUpload={() => void navigate({ to: "/documents" })} />;
}
