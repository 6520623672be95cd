//! User-Agents by which AI crawlers name themselves. A courtesy list: it finds the honest ones.

/// Product words, in lower case, as their operators publish them.
const PRODUCTS: [&str; 27] = [
    "ai2bot",
    "amazonbot",
    "anthropic-ai",
    "applebot-extended",
    "bytespider",
    "ccbot",
    "chatgpt-user",
    "claude-searchbot",
    "claude-user",
    "claudebot",
    "cohere-ai",
    "cohere-training-data-crawler",
    "diffbot",
    "duckassistbot",
    "facebookbot",
    "google-cloudvertexbot",
    "google-extended",
    "gptbot",
    "imagesiftbot",
    "meta-externalagent",
    "meta-externalfetcher",
    "mistralai-user",
    "oai-searchbot",
    "omgili",
    "perplexity-user",
    "perplexitybot",
    "youbot",
];

/// Whether a `User-Agent` value names a published AI crawler.
pub fn is_ai_crawler(user_agent: &str) -> bool {
    let lower = user_agent.to_ascii_lowercase();
    PRODUCTS.iter().any(|product| lower.contains(product))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_names_are_found_in_any_case() {
        assert!(is_ai_crawler("Mozilla/5.0 AppleWebKit/537.36; compatible; GPTBot/1.2"));
        assert!(is_ai_crawler("CCBot/2.0"));
        assert!(!is_ai_crawler("Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"));
    }

    #[test]
    fn the_list_is_sorted_and_lower_case() {
        assert!(PRODUCTS.is_sorted());
        assert!(PRODUCTS.iter().all(|product| *product == product.to_ascii_lowercase()));
    }
}
