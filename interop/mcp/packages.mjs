// The SDK and the inspector of MCP, as package-lock.json pins them.

import { join } from "node:path";
import { installed } from "../x402/packages.mjs";

const { theirs, version, folder } = installed(import.meta.url, "interop-mcp");

export { theirs, version };

/** The inspector's program. */
export const inspector = join(folder, "node_modules/.bin/mcp-inspector");
