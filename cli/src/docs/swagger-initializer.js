// Starts Swagger UI on the API's document, with the key that this server lends to its own pages.
window.onload = async () => {
  const { key } = await (await fetch("/docs/key.json")).json();
  window.ui = SwaggerUIBundle({
    url: "/openapi.json",
    dom_id: "#swagger-ui",
    deepLinking: true,
    displayRequestDuration: true,
    filter: true,
    presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset],
    layout: "BaseLayout",
    syntaxHighlight: { activated: true },
    tryItOutEnabled: true,
    validatorUrl: null,
    onComplete: () => {
      if (key) {
        window.ui.preauthorizeApiKey("apiKey", key);
      }
    },
  });
};
