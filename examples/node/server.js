// Answers with a greeting; HOST and PORT say where. Node's own http module and nothing else.
import { createServer } from "node:http";

const { HOST = "127.0.0.1", PORT = "3000", GREETING = "Hello" } = process.env;

const server = createServer((request, response) => {
  if (request.url === "/healthz") {
    response.writeHead(200, { "content-type": "text/plain" }).end("ok\n");
    return;
  }
  response.writeHead(200, { "content-type": "text/plain; charset=utf-8" });
  response.end(`${GREETING} from process ${process.pid}\n`);
});

server.listen(Number(PORT), HOST, () => console.log(`listening on ${HOST}:${PORT}`));

process.on("SIGTERM", () => {
  // Requests under way are answered; connections that only wait are closed.
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});
