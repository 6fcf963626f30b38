import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import type { Pages } from "@/kernel/pages";
import { Button } from "./Button";
import { cx } from "./classes";
import { Failed, SkeletonList } from "./States";

export interface Column<T> {
  key: string;
  title: string;
  cell: (row: T) => ReactNode;
  /** Numbers stand to the right, so that they align. */
  numeric?: boolean;
  /** Left out where there is no room; what matters of it then stands in the first column. */
  wideOnly?: boolean;
}

interface DataTableProps<T> {
  label: string;
  columns: readonly Column<T>[];
  rows: readonly T[];
  rowKey: (row: T) => string;
  /** What can be done with a row: a menu, or nothing. */
  actions?: (row: T) => ReactNode;
  faded?: (row: T) => boolean;
}

/** A table for reading: one line a row, the first column names the row. */
export function DataTable<T>({ label, columns, rows, rowKey, actions, faded }: DataTableProps<T>) {
  const { t } = useTranslation();
  const place = (column: Column<T>) => cx("py-3 last:pr-0", column.numeric ? "pr-4 text-right whitespace-nowrap md:pr-8" : "pr-4 md:pr-8", column.wideOnly && "hidden md:table-cell");
  return (
    <table aria-label={label} className="w-full border-collapse">
      <thead>
        <tr className="border-b border-line-strong/50 text-sm text-ink-3">
          {columns.map((column) => (
            <th key={column.key} scope="col" className={cx(place(column), "py-2 font-medium whitespace-nowrap", !column.numeric && "text-left")}>
              {column.title}
            </th>
          ))}
          {actions && (
            <th scope="col" className="w-9">
              <span className="sr-only">{t("common.menu")}</span>
            </th>
          )}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={rowKey(row)} className={cx("border-b border-line align-middle", faded?.(row) && "text-ink-3")}>
            {columns.map((column, index) =>
              index === 0 ? (
                <th key={column.key} scope="row" className={cx(place(column), "text-left font-normal")}>
                  {column.cell(row)}
                </th>
              ) : (
                <td key={column.key} className={cx(place(column), "wrap-break-word")}>
                  {column.cell(row)}
                </td>
              ),
            )}
            {actions && <td className="py-1.5 text-right">{actions(row)}</td>}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

interface ListingProps<T> extends Omit<DataTableProps<T>, "rows"> {
  pages: Pages<T>;
  failed: string;
  /** Drawn when the list is empty. */
  empty: ReactNode;
}

/** A paged table with its loading shape, its error and its empty state. */
export function Listing<T>({ pages: { items, query }, failed, empty, ...table }: ListingProps<T>) {
  const { t } = useTranslation();
  if (query.isError && items === null) return <Failed title={failed} error={query.error} onRetry={() => void query.refetch()} />;
  if (items === null) return <SkeletonList rows={5} className="h-12" />;
  if (items.length === 0) return <>{empty}</>;
  return (
    <div className="flex flex-col gap-4">
      <DataTable {...table} rows={items} />
      {query.hasNextPage && (
        <Button kind="quiet" busy={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()} className="self-center">
          {t("common.more")}
        </Button>
      )}
    </div>
  );
}

/** Says that a list or a search has nothing, in the place of the list. */
export function Nothing({ children }: { children: ReactNode }) {
  return <p className="rounded-lg border border-dashed border-line-strong/50 px-4 py-10 text-center text-ink-3">{children}</p>;
}

/** The first column's cell: what names the row, and quieter what one should know of it where there is little room. */
export function Named({ name, note, narrow }: { name: ReactNode; note?: ReactNode; narrow?: ReactNode }) {
  return (
    <div className="min-w-0">
      <div className="font-medium">{name}</div>
      {note !== undefined && <div className="text-sm text-ink-3">{note}</div>}
      {narrow !== undefined && <div className="mt-0.5 flex flex-wrap gap-x-3 text-sm text-ink-3 md:hidden">{narrow}</div>}
    </div>
  );
}
