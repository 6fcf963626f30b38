import { useMutation } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "@/kernel/api/client";
import { auth } from "@/kernel/auth";
import { asking } from "@/kernel/reauthentication";
import { useStore } from "@/kernel/store";
import { Field } from "./Field";
import { FormDialog } from "./FormDialog";

/** Asks for the password where the server wants it proved that it is still the same person; what they did then goes on. */
export function Reauthentication() {
  const done = useStore(asking);
  return done === null ? null : <Ask done={done} />;
}

function Ask({ done }: { done: (proved: boolean) => void }) {
  const { t } = useTranslation();
  const who = useStore(auth);
  const [password, setPassword] = useState("");
  const confirm = useMutation({
    mutationFn: () => api.POST("/api/v1/auth/confirm", { body: { password } }),
    onSuccess: () => done(true),
  });
  useEffect(() => () => done(false), [done]);
  return (
    <FormDialog open title={t("confirm.title")} lead={t("confirm.lead")} submit={t("confirm.submit")} busy={confirm.isPending} error={confirm.error} onSubmit={() => confirm.mutate()} onClose={() => done(false)}>
      {/* For password managers, which want to know whose password it is. */}
      <input type="text" hidden readOnly autoComplete="username" value={who.state === "in" ? who.user.email : ""} />
      <Field label={t("auth.password")} name="password" type="password" autoComplete="current-password" value={password} onChange={(event) => setPassword(event.target.value)} />
    </FormDialog>
  );
}
