import js from "@eslint/js";
import jsxA11y from "eslint-plugin-jsx-a11y";
import reactHooks from "eslint-plugin-react-hooks";
import tseslint from "typescript-eslint";

/** Features from the highest to the lowest; an import may only point down, and only at `public`. */
const FEATURES = ["operations", "chat", "runs", "knowledge", "providers", "usage", "organisations", "accounts"];

const only = (files, group, message) => ({
  files,
  rules: { "no-restricted-imports": ["error", { patterns: group.map((g) => ({ ...g, message: g.message ?? message })) }] },
});

const layers = FEATURES.map((name, index) => {
  const above = FEATURES.slice(0, index).map((other) => `@/features/${other}/*`);
  const patterns = [{ regex: `^@/features/(?!${name}/)[^/]+/(?!public$)`, message: "Enter another feature through its public module." }];
  if (above.length) patterns.push({ group: above, message: "A feature imports only the features below it." });
  return only([`src/features/${name}/**`], patterns, "");
});

export default tseslint.config(
  { ignores: ["src/kernel/api/schema.d.ts", "public/**"] },
  js.configs.recommended,
  ...tseslint.configs.strictTypeChecked,
  reactHooks.configs.flat.recommended,
  jsxA11y.flatConfigs.strict,
  { languageOptions: { parserOptions: { projectService: { allowDefaultProject: ["eslint.config.js"] } } } },
  {
    rules: {
      complexity: ["error", 10],
      "max-lines": ["error", 400],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
    },
  },
  only(["src/kernel/**"], [{ group: ["@/features/*", "@/products/*"] }], "The kernel knows no feature."),
  ...layers,
  { files: ["eslint.config.js"], ...tseslint.configs.disableTypeChecked },
);
