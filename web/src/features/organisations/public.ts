export { type Scope, useFound, useMemberships, useOrganisations } from "./api";
export { Deleted } from "./Deleted";
export { Organisation } from "./Organisation";
export { Organisations } from "./Organisations";
export { PlaceMenu, PlaceName } from "./Places";
export { may } from "./roles";
export { type Section, SECTIONS, type Ways } from "./ways";
export { Join } from "./Join";
export { MyPlaces } from "./MyPlaces";
