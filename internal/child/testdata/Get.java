import java.net.HttpURLConnection;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;

/** Fetches a URL with both clients of the JDK. */
public class Get {
	public static void main(String[] args) throws Exception {
		var url = URI.create(args[0]);
		var first = ((HttpURLConnection) url.toURL().openConnection()).getResponseCode();
		var second = HttpClient.newHttpClient().send(HttpRequest.newBuilder(url).build(), BodyHandlers.discarding()).statusCode();
		System.exit(first == 200 && second == 200 ? 0 : 1);
	}
}
