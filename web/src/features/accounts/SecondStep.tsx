import { type SyntheticEvent, useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { codeOf } from "@/kernel/api/problem";
import { sayError } from "@/kernel/i18n";
import { Button, Field, Refusal } from "@/kernel/ui";
import { confirmByCode, confirmByPasskey } from "./entering";
import { Heading } from "./Frame";

export const METHODS = ["totp", "passkey", "recovery_code"] as const;
export type Method = (typeof METHODS)[number];

interface SecondStepProps {
  challenge: string;
  methods: readonly Method[];
  /** Back to the password; `code` says why, when it is the server that sends one back. */
  onBack: (code: string | null) => void;
}

/** The second proof after the password: a code of an app, a passkey, or one of the codes that were put away. */
export function SecondStep({ challenge, methods, onBack }: SecondStepProps) {
  const { t } = useTranslation();
  const [method, setMethod] = useState<Method>(METHODS.find((one) => methods.includes(one)) ?? "totp");
  const [refusal, setRefusal] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const give = async (proof: () => Promise<unknown>) => {
    setRefusal(null);
    setBusy(true);
    try {
      await proof();
    } catch (error) {
      const code = codeOf(error);
      if (code === "challenge_invalid") onBack(code);
      else setRefusal(sayError(code));
    }
    setBusy(false);
  };
  const turn = (other: Method) => {
    setRefusal(null);
    setMethod(other);
  };
  return (
    <>
      <Heading title={t("entrance.secondTitle")} lead={t(`entrance.secondLead.${method}`)} />
      {method === "passkey" ? (
        <div className="flex flex-col gap-4">
          {refusal !== null && <Refusal>{refusal}</Refusal>}
          <Button kind="primary" icon="key" busy={busy} className="min-h-11" onClick={() => void give(() => confirmByPasskey(challenge))}>
            {t("entrance.usePasskey")}
          </Button>
        </div>
      ) : (
        <CodeForm key={method} method={method} busy={busy} refusal={refusal} onCode={(code) => void give(() => confirmByCode(challenge, method, code))} />
      )}
      <div className="flex flex-col items-center">
        {METHODS.filter((one) => one !== method && methods.includes(one)).map((other) => (
          <Button key={other} kind="way" onClick={() => turn(other)}>
            {t(`entrance.instead.${other}`)}
          </Button>
        ))}
        <Button kind="quiet" onClick={() => onBack(null)}>
          {t("common.back")}
        </Button>
      </div>
    </>
  );
}

interface CodeFormProps {
  method: "totp" | "recovery_code";
  busy: boolean;
  refusal: string | null;
  onCode: (code: string) => void;
}

function CodeForm({ method, busy, refusal, onCode }: CodeFormProps) {
  const { t } = useTranslation();
  const [code, setCode] = useState("");
  const field = useRef<HTMLInputElement>(null);
  const numeric = method === "totp";
  useEffect(() => {
    if (!busy) field.current?.focus();
  }, [busy]);
  const change = (value: string) => {
    setCode(value);
    const digits = value.replaceAll(/\s/g, "");
    if (numeric && /^\d{6}$/.test(digits) && digits !== code.replaceAll(/\s/g, "") && !busy) onCode(digits);
  };
  const send = (event: SyntheticEvent) => {
    event.preventDefault();
    if (code.trim() !== "" && !busy) onCode(code.trim());
  };
  return (
    <form noValidate onSubmit={send} className="flex flex-col gap-4">
      <Field
        ref={field}
        name="code"
        label={t(numeric ? "entrance.code" : "entrance.recoveryCode")}
        inputMode={numeric ? "numeric" : "text"}
        autoComplete={numeric ? "one-time-code" : "off"}
        autoCapitalize="none"
        spellCheck={false}
        maxLength={numeric ? 7 : 100}
        error={refusal ?? undefined}
        value={code}
        onChange={(event) => change(event.target.value)}
      />
      <Button type="submit" kind="primary" busy={busy} className="min-h-11">
        {t("entrance.confirm")}
      </Button>
    </form>
  );
}
