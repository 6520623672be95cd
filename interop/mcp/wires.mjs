// The two published wires of paid calls over MCP, for both sides, as their texts and sources have them: that of the x402
// transport `mcp` (objects, structuredContent), and that of agents/x402 (a string, _meta["x402/error"] only).

const PAYMENT = "x402/payment";
const RECEIPT = "x402/payment-response";
const ERROR = "x402/error";

const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64");
const decode = (text) => JSON.parse(Buffer.from(text, "base64").toString("utf8"));
const text = (value) => [{ type: "text", text: JSON.stringify(value) }];

/** The wire of the x402 specification. */
export const spec = {
  url: (tool) => `mcp://tool/${tool}`,
  refusal: (demand) => ({ isError: true, structuredContent: demand, content: text(demand) }),
  demandOf: ({ isError, structuredContent, content }) => {
    if (!isError) return undefined;
    const demand = structuredContent ?? JSON.parse(content[0].text);
    return demand.accepts ? demand : undefined;
  },
  write: (payment) => ({ [PAYMENT]: payment }),
  read: (meta) => {
    const payment = meta?.[PAYMENT];
    return typeof payment === "object" ? payment : undefined;
  },
  receipt: (settled) => ({ [RECEIPT]: settled }),
  receiptOf: ({ _meta }) => _meta?.[RECEIPT],
};

/** The wire of agents/x402. */
export const agents = {
  url: (tool) => `x402://${tool}`,
  refusal: (demand) => ({ isError: true, _meta: { [ERROR]: demand }, content: text(demand) }),
  demandOf: ({ isError, _meta }) => {
    const demand = isError ? _meta?.[ERROR] : undefined;
    return demand?.accepts?.length > 0 ? demand : undefined;
  },
  write: (payment) => ({ [PAYMENT]: encode(payment) }),
  read: (meta) => {
    const token = meta?.[PAYMENT];
    if (typeof token !== "string") return undefined;
    try {
      return decode(token);
    } catch {
      return undefined;
    }
  },
  receipt: (settled) => ({ [RECEIPT]: settled }),
  receiptOf: ({ _meta }) => _meta?.[RECEIPT],
};
