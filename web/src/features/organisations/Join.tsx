import { useMutation, useQuery } from "@tanstack/react-query";
import { type ReactNode, useEffect, useRef } from "react";
import { useTranslation } from "react-i18next";
import { api, body } from "@/kernel/api/client";
import { codeOf } from "@/kernel/api/problem";
import { auth, signOut } from "@/kernel/auth";
import { sayError } from "@/kernel/i18n";
import { queries } from "@/kernel/query";
import { useStore } from "@/kernel/store";
import { exact } from "@/kernel/time";
import { useTitle } from "@/kernel/title";
import { Button, Refusal, Skeleton, toast } from "@/kernel/ui";

interface JoinProps {
  code: string;
  /** Making an account or signing in, for those who are not signed in, when the code is for one address alone or not. */
  entry: (isForOne: boolean) => ReactNode;
  onDone: (scopeId: string) => void;
  onLeave: () => void;
}

/** What a code invites to, and taking it. Whoever signs in on the way has said already that they want to. */
export function Join({ code, entry, onDone, onLeave }: JoinProps) {
  const { t, i18n } = useTranslation();
  const who = useStore(auth);
  const offer = useQuery({ queryKey: ["invite", code], retry: false, queryFn: () => body(api.GET("/api/v1/invites/{code}", { params: { path: { code } } })) });
  const join = useMutation({
    mutationFn: () => body(api.POST("/api/v1/invites/{code}/redeem", { params: { path: { code } } })),
    onSuccess: (membership) => {
      toast(t("join.done", { name: membership.name }));
      void queries.invalidateQueries({ queryKey: ["memberships"] });
      onDone(membership.scope_id);
    },
  });
  useTitle(offer.data?.name);
  const visitor = useRef(who.state === "out");
  const { mutate } = join;
  useEffect(() => {
    if (who.state !== "in" || !visitor.current) return;
    visitor.current = false;
    mutate();
  }, [who.state, mutate]);

  if (offer.isPending) return <Skeleton className="h-40" />;
  if (offer.isError) return <Over error={offer.error} onLeave={onLeave} />;
  const { name, kind, role, expires_at, is_for_one } = offer.data;
  // What one has to do has the heading of the page; that is signing in, for a visitor.
  const Name = who.state === "in" ? "h1" : "p";
  return (
    <>
      <section className="flex flex-col gap-1 rounded-lg border border-line bg-raised p-5">
        <p className="text-sm text-ink-3">{t("join.invited")}</p>
        <Name className="text-xl font-semibold">{name}</Name>
        <p className="text-ink-2">
          {t(`join.kind.${kind}`)} · {t(`join.role.${role}`)}
        </p>
        <p className="mt-2 text-sm text-ink-3">
          {t("join.until", { when: exact(expires_at, i18n.language) })}
          {is_for_one && ` ${t("join.forOne")}`}
        </p>
      </section>
      {who.state === "in" ? (
        <div className="flex flex-col gap-3">
          {join.isError && <Refusal>{sayError(codeOf(join.error))}</Refusal>}
          <Button kind="primary" busy={join.isPending} className="min-h-11" onClick={() => join.mutate()}>
            {t("join.as", { name: who.user.name || who.user.email })}
          </Button>
          <p className="text-center text-sm text-ink-3">{who.user.email}</p>
          <div className="flex flex-wrap justify-center">
            <Button kind="quiet" onClick={() => void signOut()}>
              {t("join.other")}
            </Button>
            <Button kind="quiet" onClick={onLeave}>
              {t("join.notNow")}
            </Button>
          </div>
        </div>
      ) : (
        entry(is_for_one)
      )}
    </>
  );
}

function Over({ error, onLeave }: { error: unknown; onLeave: () => void }) {
  const { t } = useTranslation();
  useTitle(t("join.over"));
  return (
    <>
      <div className="flex flex-col gap-2">
        <h1 className="text-2xl font-semibold">{t("join.over")}</h1>
        <p className="text-ink-2">{sayError(codeOf(error))}</p>
      </div>
      <Button kind="primary" className="min-h-11" onClick={onLeave}>
        {t("common.home")}
      </Button>
    </>
  );
}
