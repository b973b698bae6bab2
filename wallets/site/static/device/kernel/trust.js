// @ts-check
// Moved: this name is kept until every module imports the protocol from its own place.
export * from "../../protocol/trust.js";
