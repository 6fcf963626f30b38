import { useEffect } from "react";
import { useTranslation } from "react-i18next";

/** Names the screen in the browser's tab and history, and to who hears it first; without a name it is the house's. */
export function useTitle(...names: readonly (string | null | undefined)[]): void {
  const { t } = useTranslation();
  const brand = t("brand");
  const title = [...names, brand].filter(Boolean).join(" · ");
  useEffect(() => {
    document.title = title;
    return () => {
      document.title = brand;
    };
  }, [title, brand]);
}
