//! A server made with `rmcp`, its client, and real pipes between two processes: the example as it stands.

use std::sync::Arc;

use http_body_util::{BodyExt as _, Full};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, RequestMetaObject, ServerCapabilities,
    ServerConfig,
};
use rmcp::service::{RequestContext, RoleClient, RoleServer, RunningService};
use rmcp::transport::TokioChildProcess;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager as Sessions;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, ServerHandler, ServiceExt as _};
use serde_json::{Map, Value, json};
use tollway_core::offer::{OFFER_EXTENSION, Offer};
use tollway_core::scheme::deferred::{Called, Commitment, Stamp, arguments_hash};
use tollway_mcp::wire::{self, Payment, PaymentForm, names};
use tollway_mcp::{Kind, PaidTools};
use tollway_protocol::{Network, header};
use tollway_signatures::{AgentPolicy, AgentUrl, PrivateKey};

use super::rig::{AGENT, NOON, Shop, agent_key, receipt, refused};

type Client = RunningService<RoleClient, ()>;

async fn example() -> Client {
    let tests = std::env::current_exe().unwrap();
    let built = tests.ancestors().nth(2).unwrap().join("examples/paid_tools");
    let mut command = tokio::process::Command::new(built);
    let jwk = serde_json::to_string(&agent_key().public().jwk()).unwrap();
    command.arg(AGENT).arg(jwk);
    ().serve(TokioChildProcess::new(command).unwrap()).await.unwrap()
}

async fn call(
    client: &Client,
    name: &'static str,
    arguments: &Value,
    meta: Option<&Map<String, Value>>,
) -> Map<String, Value> {
    let mut params = CallToolRequestParams::new(name).with_arguments(arguments.as_object().unwrap().clone());
    if let Some(meta) = meta {
        params.meta = Some(serde_json::from_value::<RequestMetaObject>(Value::Object(meta.clone())).unwrap());
    }
    let result: CallToolResult = client.call_tool(params).await.unwrap();
    match serde_json::to_value(result).unwrap() {
        Value::Object(result) => result,
        other => panic!("{other}"),
    }
}

/// What an agent does that has read the demand: it checks the signed offer and promises to pay it.
fn pay(asked: &Map<String, Value>, arguments: &Value, form: PaymentForm) -> Map<String, Value> {
    let demand = wire::demand_in_result(asked).unwrap().unwrap();
    let jws = demand.extensions.unwrap()[OFFER_EXTENSION]["info"]["jws"].as_str().unwrap().to_owned();
    let offer = Offer::verify(&jws, &PrivateKey::from_seed([1; 32]).public()).unwrap();
    let url = Kind::Tool.url("square");
    let call = Called { resource: &url, arguments: arguments_hash(arguments.as_object()).unwrap() };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!(now > NOON - 1_000_000_000);
    let stamp = Stamp { nonce: "one-of-the-agent", now, life: 60 };
    let agent = AgentUrl::parse(AGENT, AgentPolicy::default()).unwrap();
    let commitment = Commitment::to_offer(&offer, &Network::tollway(), &agent, call, stamp);
    let payment = Payment::V2(Box::new(commitment.payment(&offer, &agent_key())));
    let mut params = Map::new();
    wire::write_payment(&mut params, &payment, form);
    params[names::META].as_object().unwrap().clone()
}

#[tokio::test]
async fn the_example_sells_over_pipes_and_its_free_tool_stays_free() {
    for form in [PaymentForm::Object, PaymentForm::Base64] {
        let client = example().await;
        let arguments = json!({"number": 12});
        let listed = client.list_all_tools().await.unwrap();
        let listed = serde_json::to_value(&listed).unwrap();
        let tool = |name: &str| listed.as_array().unwrap().iter().find(|tool| tool["name"] == name).unwrap();
        assert_eq!(tool("square")["_meta"][names::LISTED_PRICE].to_string(), "0.01");
        assert!(tool("echo").get("_meta").is_none());
        assert_eq!(call(&client, "echo", &arguments, None).await["content"][0]["text"], "12");
        let asked = call(&client, "square", &arguments, None).await;
        assert_eq!(refused(&asked), "payment_required");
        assert_eq!(asked[names::META][names::ERROR], asked["structuredContent"]);
        let meta = pay(&asked, &arguments, form);
        let paid = call(&client, "square", &arguments, Some(&meta)).await;
        assert_eq!(paid["content"][0]["text"], "144");
        assert_eq!((receipt(&paid).payer.as_deref(), receipt(&paid).amount.unwrap().get()), (Some(AGENT), 10_000));
        let other = call(&client, "square", &json!({"number": 13}), Some(&meta)).await;
        assert_eq!(refused(&other), "digest_mismatch");
        client.cancel().await.unwrap();
    }
}

/// Tells what of a call reaches it.
struct Teller;

impl ServerHandler for Teller {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        if request.name == "cube" {
            return Err(ErrorData::invalid_params("no such cube", None));
        }
        let told = json!({"paid": context.meta.0.0.contains_key(names::PAYMENT)});
        Ok(CallToolResult::success(vec![ContentBlock::text(told.to_string())]).into())
    }
}

/// Posts one message to a server of `Teller` whose tools the shop sells.
async fn posted(shop: &Shop, message: &Value, field: Option<(&str, String)>) -> Value {
    let tools = PaidTools::new(Teller, shop.tools.clone());
    let mut config = StreamableHttpServerConfig::default();
    config.legacy_session_mode = false;
    config.json_response = true;
    let service = StreamableHttpService::new(move || Ok(tools.clone()), Arc::<Sessions>::default(), config);
    let mut request = http::Request::post("http://127.0.0.1/mcp")
        .header("host", "127.0.0.1")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream");
    if let Some((name, value)) = field {
        request = request.header(name, value);
    }
    let answer = service.handle(request.body(Full::<bytes::Bytes>::from(message.to_string())).unwrap()).await;
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&body).unwrap_or_else(|_| panic!("{body:?}"))
}

fn message(name: &str, meta: Option<Value>) -> Value {
    let mut params = json!({"name": name, "arguments": {"number": 4}});
    if let Some(meta) = meta {
        params["_meta"] = meta;
    }
    json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params})
}

#[tokio::test]
async fn streamable_http_takes_a_payment_from_a_header_and_tells_the_tool_nothing_of_it() {
    let shop = Shop::new().await;
    let arguments = json!({"number": 4});
    let asked = posted(&shop, &message("square", None), None).await;
    assert_eq!(refused(asked["result"].as_object().unwrap()), "payment_required");
    let Payment::V2(payment) = shop.promise("square", &arguments) else { panic!("version 2") };
    let field = ("PAYMENT-SIGNATURE", payment.encode());
    assert_eq!(field.0.to_lowercase(), header::PAYMENT_SIGNATURE);
    let paid = posted(&shop, &message("square", None), Some(field)).await;
    assert_eq!(receipt(paid["result"].as_object().unwrap()).payer.as_deref(), Some(AGENT));
    let Payment::V2(payment) = shop.cash("square", &arguments).await else { panic!("version 2") };
    let meta = json!({names::PAYMENT: payment, "own": 1});
    let paid = posted(&shop, &message("square", Some(meta)), None).await;
    assert_eq!(paid["result"]["content"][0]["text"], r#"{"paid":false}"#);
    assert_eq!(shop.sold().await, 2);
}

#[tokio::test]
async fn an_error_of_the_server_is_passed_on_and_costs_nothing() {
    let shop = Shop::new().await;
    let Payment::V2(payment) = shop.promise("cube", &json!({"number": 4})) else { panic!("version 2") };
    let answer = posted(&shop, &message("cube", Some(json!({names::PAYMENT: payment}))), None).await;
    assert_eq!((&answer["error"]["code"], &answer["error"]["message"]), (&json!(-32602), &json!("no such cube")));
    let free = posted(&shop, &message("echo", Some(json!({names::PAYMENT: "anything"}))), None).await;
    assert_eq!(free["result"]["content"][0]["text"], r#"{"paid":true}"#, "a free call is passed on as it came");
    assert_eq!(shop.sold().await, 0);
}
