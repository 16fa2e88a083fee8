// GoHighLevel's own client against the sandbox: what it sends is understood, and it understands what is answered.
//
// GHL_API_URL is the sandbox's. WEBHOOK_PORT is the port of 127.0.0.1 to which the sandbox sends webhooks, and WEBHOOK_KEY_FILE
// holds their public key. The tests run one after the other: each leaves the sandbox to the next.

import './login.js';
import './contacts.js';
import './tasks_and_notes.js';
import './limits.js';
import './webhooks.js';
