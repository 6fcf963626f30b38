import { BarChart } from "echarts/charts";
import { GridComponent, TooltipComponent } from "echarts/components";
import { init, use as install } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";

install([BarChart, GridComponent, TooltipComponent, SVGRenderer]);

export interface Stack {
  /** What stands below each bar. */
  days: string[];
  series: { name: string; values: number[] }[];
  say: (value: number) => string;
}

const COLOURS = ["--chart-1", "--chart-2", "--chart-3", "--chart-4", "--chart-5", "--chart-6"];

/** Draws stacked bars into the element and keeps them drawn; returns what ends it. */
export function drawStack(element: HTMLElement, stack: Stack): () => void {
  const chart = init(element, null, { renderer: "svg" });
  const paint = () => chart.setOption(options(stack), { notMerge: true });
  paint();
  const sizes = new ResizeObserver(() => chart.resize());
  sizes.observe(element);
  const themes = new MutationObserver(paint);
  themes.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  return () => {
    sizes.disconnect();
    themes.disconnect();
    chart.dispose();
  };
}

function options({ days, series, say }: Stack) {
  const style = getComputedStyle(document.documentElement);
  const token = (name: string) => style.getPropertyValue(name).trim();
  const words = { color: token("--ink-3"), fontFamily: token("--font-sans"), fontSize: 12 };
  return {
    animation: false,
    color: COLOURS.map(token),
    grid: { left: 4, right: 4, top: 12, bottom: 4, outerBoundsMode: "same" as const, outerBoundsContain: "axisLabel" as const },
    xAxis: { type: "category" as const, data: days, axisTick: { show: false }, axisLine: { lineStyle: { color: token("--line-strong") } }, axisLabel: { ...words, hideOverlap: true } },
    yAxis: { type: "value" as const, splitNumber: 4, minInterval: 0, axisLabel: { ...words, formatter: say }, splitLine: { lineStyle: { color: token("--line") } } },
    tooltip: {
      trigger: "axis" as const,
      axisPointer: { type: "shadow" as const, shadowStyle: { color: token("--ink"), opacity: 0.05 } },
      confine: true,
      transitionDuration: 0,
      backgroundColor: token("--raised"),
      borderColor: token("--line"),
      padding: 12,
      textStyle: { ...words, color: token("--ink"), fontSize: 13.5 },
      formatter: (points: unknown) => told(points as Point[], say),
    },
    series: series.map(({ name, values }) => ({ type: "bar" as const, name, stack: "all", data: values, barMaxWidth: 28, barMinWidth: 2 })),
  };
}

interface Point {
  name: string;
  seriesName: string;
  seriesIndex: number;
  value: number;
}

/** The words over a bar, as an element: our Content-Security-Policy refuses markup with styles in it. */
function told(points: readonly Point[], say: Stack["say"]): HTMLElement {
  const box = document.createElement("div");
  const head = document.createElement("p");
  head.textContent = points[0]?.name ?? "";
  head.className = "font-semibold";
  box.append(head);
  for (const point of points.filter(({ value }) => value > 0)) {
    const line = document.createElement("p");
    line.className = "flex items-center gap-3";
    const swatch = document.createElement("span");
    swatch.className = `size-2.5 rounded-[3px] bg-chart-${(point.seriesIndex % COLOURS.length) + 1}`;
    const name = document.createElement("span");
    name.textContent = point.seriesName;
    const value = document.createElement("span");
    value.className = "ml-auto pl-4 font-medium";
    value.textContent = say(point.value);
    line.append(swatch, name, value);
    box.append(line);
  }
  return box;
}
