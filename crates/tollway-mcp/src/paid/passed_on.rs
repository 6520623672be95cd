//! What a wrapped server is asked: calls that may be priced, lists that show prices, and all the rest as it came.

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;

use rmcp::ServerHandler;
#[allow(deprecated, reason = "what the protocol still has is passed on")]
use rmcp::model::SetLevelRequestParams;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CancelTaskParams, CancelledNotificationParam, CompleteRequestParams,
    CompleteResult, CustomNotification, CustomRequest, CustomResult, DiscoverResult, ErrorData, GetPromptRequestParams,
    GetPromptResponse, GetSkillRequestParams, GetSkillResult, GetTaskParams, GetTaskResult, InitializeRequestParams,
    InitializeResult, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListSkillsResult,
    ListToolsResult, PaginatedRequestParams, ProgressNotificationParam, ProtocolVersion,
    ReadResourceDirectoryRequestParams, ReadResourceDirectoryResult, ReadResourceRequestParams, ReadResourceResponse,
    ServerConfig, SubscribeRequestParams, SubscriptionFilter, Tool, UnsubscribeRequestParams, UpdateTaskParams,
};
use rmcp::service::{NotificationContext, RequestContext, RoleServer, SubscriptionContext};

use super::PaidTools;
use crate::kind::Kind;

type Context = RequestContext<RoleServer>;
type Noticed = NotificationContext<RoleServer>;

/// Methods that are handed to the wrapped server as they came.
macro_rules! passed_on {
    ($($name:ident($($argument:ident: $kind:ty),*) -> $answer:ty;)*) => {
        $(fn $name(&self, $($argument: $kind),*) -> impl Future<Output = $answer> + Send + '_ {
            self.inner.$name($($argument),*)
        })*
    };
}

#[allow(deprecated, reason = "what the protocol still has is passed on")]
impl<S: ServerHandler> ServerHandler for PaidTools<S> {
    async fn call_tool(&self, request: CallToolRequestParams, context: Context) -> Result<CallToolResponse, ErrorData> {
        let forward = |inner: Arc<S>, request, context| async move { inner.call_tool(request, context).await };
        self.sell(Kind::Tool, (request, context), forward).await
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: Context,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let forward = |inner: Arc<S>, request, context| async move { inner.read_resource(request, context).await };
        self.sell(Kind::Resource, (request, context), forward).await
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: Context,
    ) -> Result<GetPromptResponse, ErrorData> {
        let forward = |inner: Arc<S>, request, context| async move { inner.get_prompt(request, context).await };
        self.sell(Kind::Prompt, (request, context), forward).await
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: Context,
    ) -> Result<ListToolsResult, ErrorData> {
        self.listed(Kind::Tool, self.inner.list_tools(request, context).await?)
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: Context,
    ) -> Result<ListResourcesResult, ErrorData> {
        self.listed(Kind::Resource, self.inner.list_resources(request, context).await?)
    }

    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        context: Context,
    ) -> Result<ListPromptsResult, ErrorData> {
        self.listed(Kind::Prompt, self.inner.list_prompts(request, context).await?)
    }

    fn get_info(&self) -> ServerConfig {
        self.inner.get_info()
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.inner.get_tool(name)
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        self.inner.supported_protocol_versions()
    }

    fn negotiate_initialize(&self, request: &InitializeRequestParams) -> Result<InitializeResult, ErrorData> {
        self.inner.negotiate_initialize(request)
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        self.inner.accepted_subscription_filter(requested)
    }

    passed_on! {
        ping(context: Context) -> Result<(), ErrorData>;
        initialize(request: InitializeRequestParams, context: Context) -> Result<InitializeResult, ErrorData>;
        discover(context: Context) -> Result<DiscoverResult, ErrorData>;
        complete(request: CompleteRequestParams, context: Context) -> Result<CompleteResult, ErrorData>;
        set_level(request: SetLevelRequestParams, context: Context) -> Result<(), ErrorData>;
        list_resource_templates(request: Option<PaginatedRequestParams>, context: Context)
            -> Result<ListResourceTemplatesResult, ErrorData>;
        listen(context: SubscriptionContext) -> Result<(), ErrorData>;
        subscribe(request: SubscribeRequestParams, context: Context) -> Result<(), ErrorData>;
        unsubscribe(request: UnsubscribeRequestParams, context: Context) -> Result<(), ErrorData>;
        on_custom_request(request: CustomRequest, context: Context) -> Result<CustomResult, ErrorData>;
        on_cancelled(notification: CancelledNotificationParam, context: Noticed) -> ();
        on_progress(notification: ProgressNotificationParam, context: Noticed) -> ();
        on_initialized(context: Noticed) -> ();
        on_roots_list_changed(context: Noticed) -> ();
        on_custom_notification(notification: CustomNotification, context: Noticed) -> ();
        get_task(request: GetTaskParams, context: Context) -> Result<GetTaskResult, ErrorData>;
        update_task(request: UpdateTaskParams, context: Context) -> Result<(), ErrorData>;
        cancel_task(request: CancelTaskParams, context: Context) -> Result<(), ErrorData>;
        list_skills(request: Option<PaginatedRequestParams>, context: Context) -> Result<ListSkillsResult, ErrorData>;
        get_skill(request: GetSkillRequestParams, context: Context) -> Result<GetSkillResult, ErrorData>;
        read_resource_directory(request: ReadResourceDirectoryRequestParams, context: Context)
            -> Result<ReadResourceDirectoryResult, ErrorData>;
    }
}
