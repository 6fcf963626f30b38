export { Boundary } from "./Boundary";
export { Button, IconButton, Spinner } from "./Button";
export { cx } from "./classes";
export { Confirm, Dialog } from "./Dialog";
export { Field, SearchField } from "./Field";
export { Icon, Mark, type IconName } from "./Icon";
export { Menu, MenuChoice, MenuChoices, MenuItem, MenuTick, MenuTitle } from "./Menu";
export { Empty, Failed, Skeleton, SkeletonList, Time } from "./States";
export { toast, Toasts } from "./Toasts";
