export { useChosenModel, useIsBuiltIn } from "./api";
export { ModelPicker, ModelSetting } from "./ModelPicker";
